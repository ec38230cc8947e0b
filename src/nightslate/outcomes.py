"""How a step failed that ran where nobody sees its exit code: a small file in the warehouse, from the driver
to the scheduler. A step that succeeded, crashed or was killed leaves none."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nightslate.errors import NightslateError


@dataclass(frozen=True)
class Outcome:
    """An error that was raised on purpose. Its message names files, keys and counts, never a user."""

    exit_code: int
    error: str
    message: str

    @classmethod
    def of(cls, error: NightslateError) -> Outcome:
        return cls(error.exit_code, type(error).__name__, str(error))

    def leave(self, file: Path) -> None:
        """Write it where the scheduler looks. Where that can't be written to, there is none."""
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def found_in(cls, file: Path) -> Outcome | None:
        """The one that was left there. Half of one is none."""
        try:
            return cls(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
