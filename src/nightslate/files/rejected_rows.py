"""Bad rows of the files of a command: counted by file and reason, shown, and kept for whoever repairs them.

Such a row is never repaired, guessed or left out in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from nightslate.errors import ContractError
from nightslate.files.writing import is_read

_SHOWN = 5
_LONGEST = 60


class BadRowsError(ContractError):
    """Rows of a file cannot be used, and nobody said where to put them."""

    exit_code = 2


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: its file, its number there, from 1 without a header, and the reason. values:
    it as it came, by column, or the text of what is no row; column: the one at fault, if it is one."""

    file: Path
    number: int
    reason: str
    values: Callable[[], dict[str, Any] | str]
    column: str | None = None

    @property
    def value(self) -> str | None:
        """What is wrong, to be shown, if there is a value."""
        values = self.values()
        value = values if isinstance(values, str) else values.get(self.column or "")
        if value is None:
            return None
        text = json.dumps(_as_json(value), ensure_ascii=False, default=str)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@dataclass
class _Found:
    rows: int = 0
    first: list[BadRow] = field(default_factory=list)


class Refused:
    """Where bad rows go as they are found. As a context it has the quarantine open, if there is to be one; it
    is there afterwards even if all rows are good."""

    def __init__(self, quarantine: Path | None, sources: Iterable[Path]) -> None:
        """Raises ContractError for a quarantine that is one of the files that are read."""
        for source in sources:
            if quarantine and is_read(quarantine, source):
                raise ContractError(f"the quarantine {quarantine} is a file that is read: give it its own")
        self._quarantine = quarantine
        self._file: TextIO | None = None
        self._found: dict[Path, dict[str, _Found]] = {}
        self._rows: dict[Path, int | None] = {}

    def __enter__(self) -> Self:
        if self._quarantine:
            try:
                self._file = self._quarantine.open("w", encoding="utf-8")
            except OSError as error:
                raise ContractError(
                    f"cannot write the quarantine {self._quarantine}: {error.strerror}"
                ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows of each file or folder each reason has; the most first."""
        return {
            str(path): dict(
                sorted(((reason, found.rows) for reason, found in by.items()), key=lambda item: -item[1])
            )
            for path, by in self._found.items()
        }

    def add(self, path: Path, rows: Iterable[BadRow], total: int | None = None) -> None:
        """Rows of a file, or of the files of a folder, which has so many in `total`."""
        self._rows[path] = total
        by_reason = self._found.get(path, {})
        for row in rows:
            found = by_reason.setdefault(row.reason, _Found())
            found.rows += 1
            if len(found.first) < _SHOWN:
                found.first.append(row)
            if self._file:
                values = row.values()
                if isinstance(values, dict):
                    values = {name: _as_json(value) for name, value in values.items()}
                line = {"file": str(row.file), "row": row.number, "reason": row.reason, "values": values}
                self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        if by_reason:
            self._found[path] = by_reason

    def settle(self) -> None:
        """Raise BadRowsError, with how many and why, if rows are bad and there is no quarantine."""
        if self._found and not self._quarantine:
            raise BadRowsError(
                "\n".join(self.summary)
                + "\nRepair them, or give --quarantine FILE: bad rows go there and the others are used"
            )

    def require_some_left(self, path: Path, left: int) -> None:
        """Raise ContractError, with why, if no row of a file is good."""
        if not left:
            raise ContractError("\n".join([*self.summary, f"No row of {path} is left"]))

    @property
    def summary(self) -> list[str]:
        """For each file how many rows are bad, and for each reason how many and the first of them."""
        lines = []
        for path, by_reason in self._found.items():
            rows = sum(found.rows for found in by_reason.values())
            total, ending = self._rows[path], "" if rows == 1 else "s"
            how_many = f"{rows:,} row{ending}" if total is None else f"{rows:,} of {total:,} rows"
            lines.append(f"{how_many} of {path} cannot be used:")
            width = max(len(f"{found.rows:,}") for found in by_reason.values())
            for reason, found in sorted(by_reason.items(), key=lambda item: -item[1].rows):
                lines.append(f"  {found.rows:{width},}  {reason} {_first(found, path)}")
        return lines


def _first(found: _Found, path: Path) -> str:
    """The numbers and values of the first rows, and their files where these are part of a folder."""
    numbers = ", ".join(
        f"{row.number:,}" if row.file == path else f"{row.number:,} of {row.file.name}" for row in found.first
    )
    more = ", …" if found.rows > len(found.first) else ""
    values = list(dict.fromkeys(value for row in found.first if (value := row.value) is not None))
    shown = f": {', '.join(values)}" if values else ""
    return f"(row{'s' if found.rows > 1 else ''} {numbers}{more}){shown}"


def _as_json(value: Any) -> Any:
    """JSON has no NaN and no infinity: their names stand for them."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
