"""Bad rows of several files that come in pieces: counted by file and reason, and kept in one quarantine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRowsError

_SHOWN = 5


@dataclass
class _Found:
    rows: int = 0
    first: list[int] = field(default_factory=list)


class Refused:
    """Where bad rows go as they are found. As a context it has the quarantine open, if there is to be one."""

    def __init__(self, quarantine: Path | None, sources: Iterable[Path]) -> None:
        """Raises ContractError for a quarantine that is one of the files that are read."""
        for source in sources:
            if quarantine and quarantine.exists() and source.exists() and quarantine.samefile(source):
                raise ContractError(f"the quarantine {quarantine} is a file that is read: give it its own")
        self._quarantine = quarantine
        self._file: TextIO | None = None
        self._found: dict[Path, dict[str, _Found]] = {}

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
        """How many rows of each file each reason has; the most first."""
        return {
            str(path): dict(
                sorted(((reason, found.rows) for reason, found in by.items()), key=lambda item: -item[1])
            )
            for path, by in self._found.items()
        }

    def add(self, path: Path, rows: Iterable[dict[str, Any]]) -> None:
        """Rows of a file: `row`, its number from 1, `reason` and `values`."""
        by_reason = self._found.setdefault(path, {})
        for row in rows:
            found = by_reason.setdefault(row["reason"], _Found())
            found.rows += 1
            if len(found.first) < _SHOWN:
                found.first.append(row["row"])
            if self._file:
                line = {"file": str(path), **row}
                self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        if not by_reason:
            del self._found[path]

    def settle(self) -> None:
        """Raise BadRowsError, with how many and why, if rows are bad and there is no quarantine."""
        if self._found and not self._quarantine:
            raise BadRowsError(
                "\n".join(self.summary)
                + "\nRepair them, or give --quarantine FILE: bad rows go there and the others are used"
            )

    @property
    def summary(self) -> list[str]:
        """For each file how many rows are bad, and for each reason how many and the first of them."""
        lines = []
        for path, by_reason in self._found.items():
            rows = sum(found.rows for found in by_reason.values())
            lines.append(f"{rows:,} {'row' if rows == 1 else 'rows'} of {path} cannot be used:")
            for reason, found in sorted(by_reason.items(), key=lambda item: -item[1].rows):
                first = ", ".join(f"{row:,}" for row in found.first)
                more = ", …" if found.rows > _SHOWN else ""
                lines.append(f"  {found.rows:,}  {reason} (row{'s' if found.rows > 1 else ''} {first}{more})")
        return lines
