"""Which rows are not what they should be, and why: the one tracker of rejects."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Ints


@dataclass(frozen=True)
class Fault:
    """Its kind, in the words of the quarantine, what is wrong or which clause is broken, and in which
    column."""

    reason: str
    text: str
    column: str | None = None


class Faults:
    """The fault of each of n rows: the first that was found. culprit: (n,) its place in `found`, -1 of a good
    row."""

    def __init__(self, rows: int) -> None:
        self.culprit: Ints = np.full(rows, -1, dtype=np.int64)
        self.found: list[Fault] = []

    @property
    def good(self) -> Bools:
        """(n,) the rows that nothing is wrong with so far."""
        return np.less(self.culprit, 0)

    def blame(self, rows: Bools | Ints, reason: str, text: str, column: str | None = None) -> None:
        """Call rows bad, given as a mask or by their places, unless they are already."""
        if not (rows.any() if rows.dtype == np.bool_ else rows.size):
            return
        chosen = np.zeros_like(self.good)
        chosen[rows] = True
        chosen &= self.good
        if chosen.any():
            fault = Fault(reason, text, column)
            if fault not in self.found:
                self.found.append(fault)
            self.culprit[chosen] = self.found.index(fault)

    def overrule(self, rows: Bools, reason: str, text: str) -> None:
        """Call rows bad for this reason, whatever else is wrong with them."""
        self.culprit[rows] = -1
        self.blame(rows, reason, text)

    def columns(self) -> tuple[pa.Array, pa.Array]:
        """(n,) the reason and the text of each row's fault, null of a good one."""
        at = pa.array(self.culprit, mask=self.good)
        reasons, texts = [f.reason for f in self.found], [f.text for f in self.found]
        return pa.array(reasons, pa.string()).take(at), pa.array(texts, pa.string()).take(at)


def as_they_came(rows: pa.Table, place: int) -> dict[str, Any]:
    """The values of a row as the file has them, of whatever type."""
    # not through a selection: Arrow selects rows of fewer types than it reads
    return {name: _value(column[place]) for name, column in zip(rows.column_names, rows.columns, strict=True)}


def _value(scalar: pa.Scalar) -> Any:
    """As Python has it; as text where Python does not, such as a time in the year 300,000."""
    with contextlib.suppress(ValueError, OverflowError, pa.ArrowException):
        return scalar.as_py()
    return str(scalar.value) if isinstance(scalar, pa.TimestampScalar) else f"a value of {scalar.type}"
