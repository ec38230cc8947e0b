"""What made a step fail, as an error of ours: out of a worker's stack trace, of Java's words or the operating
system's."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

from nightslate.errors import DamageError, NightslateError, tells_of_full_disk
from nightslate.tables import damage

# The last line of a Python traceback, which Spark passes on.
_OF_A_WORKER = re.compile(r"^(nightslate(?:\.\w+)*)\.(\w+Error): (.+)$", re.MULTILINE)


def cause(error: Exception, home: Path) -> NightslateError | None:
    """The error of ours that a step failed of; None where it is none, and a stack trace is what there is."""
    if isinstance(error, NightslateError):
        return error
    if tells_of_full_disk(error):
        return None
    if isinstance(error, OSError):
        return _of_the_system(error, home)
    if type(error).__module__.partition(".")[0] in ("pyspark", "py4j"):
        return _of_spark(str(error), home)
    return None


def _of_spark(told: str, home: Path) -> NightslateError | None:
    for module, name, message in reversed(_OF_A_WORKER.findall(told)):
        kind: type = resolve_name(f"{module}:{name}")
        if issubclass(kind, NightslateError):
            return kind(message)
    file = re.search(rf"{re.escape(str(home / 'tables'))}/\w+/\w+/\w+=[\d-]+/[\w-]+\.parquet", told)
    return damage.of_file(Path(file[0]), "can't be read by Spark") if file else None


def _of_the_system(error: OSError, home: Path) -> DamageError | None:
    places = [str(name) for name in (error.filename2, error.filename) if name is not None]
    place = next((place for place in places if Path(place).is_relative_to(home)), None)
    if place is None:
        return None
    return DamageError(
        f"{place}: {error.strerror}. Move away what is in its place, or let this user write it; then run the"
        " step again"
    )
