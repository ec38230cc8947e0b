"""What made a task fail, as the error that it raised: Spark passes on its traceback as text."""

from __future__ import annotations

import re
from pkgutil import resolve_name

from nightslate.errors import NightslateError

# The last line of a Python traceback.
_OF_A_WORKER = re.compile(r"^(nightslate(?:\.\w+)*)\.(\w+Error): (.+)$", re.MULTILINE)


def raised_by_worker(error: Exception) -> NightslateError | None:
    """The error of ours that a task raised; None where it is none, and a stack trace is what there is."""
    for module, name, message in reversed(_OF_A_WORKER.findall(str(error))):
        kind: type = resolve_name(f"{module}:{name}")
        if issubclass(kind, NightslateError):
            return kind(message)
    return None
