"""Rows that are not what they should be: counted by reason, shown, and kept for whoever repairs them.

Such a row is never repaired, guessed or left out in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nightslate.core.arrays import Bools, Ints
from nightslate.errors import ContractError
from nightslate.files.reading import Rows

_SHOWN = 5


class BadRowsError(ContractError):
    """Rows of a file cannot be used, and nobody said where to put them."""

    exit_code = 2


class BadRows:
    """Which rows of a file are bad. A row has one reason: the first that was found."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._reasons = [""]
        self._reason_of: Ints = np.zeros(rows.table.num_rows, dtype=np.int64)
        places = np.array(list(rows.unreadable), dtype=np.int64)
        for reason in dict.fromkeys(line.reason for line in rows.unreadable.values()):
            chosen = [line.reason == reason for line in rows.unreadable.values()]
            self.blame(places[chosen], reason)

    @property
    def good(self) -> Bools:
        """(n,) the rows that nothing is wrong with so far."""
        return np.equal(self._reason_of, 0)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each reason has; the most first."""
        counts = np.bincount(self._reason_of, minlength=len(self._reasons)).tolist()
        found = {
            reason: count for reason, count in zip(self._reasons, counts, strict=True) if reason and count
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def blame(self, rows: Bools | Ints, reason: str) -> None:
        """Call rows bad, given as a mask or by their places, unless they are already."""
        chosen = np.zeros_like(self.good)
        chosen[rows] = True
        chosen &= self.good
        if chosen.any():
            self._reason_of[chosen] = len(self._reasons)
            self._reasons.append(reason)

    def settle(self, path: Path, quarantine: Path | None) -> None:
        """Write bad rows to `quarantine`, if one is given; it is there afterwards even if all are good.

        Raises BadRowsError, with how many and why, if rows are bad and none is given; ContractError where no
        row is good, or where the quarantine cannot be written."""
        if quarantine:
            self._write(path, quarantine)
        if not self.counts:
            return
        if not quarantine:
            raise BadRowsError(
                f"{self.summary(path)}\nRepair them, or give --quarantine FILE: bad rows go there and the "
                "others are used"
            )
        if not self.good.any():
            raise ContractError(f"{self.summary(path)}\nNone is left; they are in {quarantine}")

    def summary(self, path: Path) -> str:
        """How many rows are bad, and for each reason how many and the first of them."""
        counts, n = self.counts, self._reason_of.size
        width = max((len(f"{count:,}") for count in counts.values()), default=0)
        lines = [f"{n - np.count_nonzero(self.good):,} of {n:,} rows of {path} are bad:"]
        for reason, count in counts.items():
            places = np.flatnonzero(self._reason_of == self._reasons.index(reason))
            first = ", ".join(f"{place + 1:,}" for place in places[:_SHOWN].tolist())
            more = ", …" if count > _SHOWN else ""
            lines.append(f"  {count:{width},}  {reason} (row{'s' if count > 1 else ''} {first}{more})")
        return "\n".join(lines)

    def _write(self, path: Path, quarantine: Path) -> None:
        if quarantine.exists() and quarantine.samefile(path):
            raise ContractError(f"the quarantine {quarantine} is the log itself: give it a file of its own")
        try:
            with quarantine.open("w", encoding="utf-8") as file:
                file.writelines(
                    f"{json.dumps(row, ensure_ascii=False, default=str)}\n" for row in self.rows()
                )
        except OSError as error:
            raise ContractError(f"cannot write the quarantine {quarantine}: {error.strerror}") from error

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each bad row as it came, with its number, counted from 1 without a header, and the reason."""
        places = np.flatnonzero(~self.good)
        for batch in self._rows.table.take(places).to_batches():
            rows = batch.to_pylist()
            chosen, places = places[: len(rows)], places[len(rows) :]
            for place, row in zip(chosen.tolist(), rows, strict=True):
                line = self._rows.unreadable.get(place)
                values = line.text if line else {name: _as_json(value) for name, value in row.items()}
                yield {"row": place + 1, "reason": self._reasons[self._reason_of[place]], "values": values}


def _as_json(value: Any) -> Any:
    """JSON has no NaN and no infinity: their names stand for them."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
