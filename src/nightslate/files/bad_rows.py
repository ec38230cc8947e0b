"""Which rows of a file are not what they should be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from nightslate.core.arrays import Bools, Ints
from nightslate.files.rejected_rows import BadRow
from nightslate.files.rows import Rows
from nightslate.records.faults import Faults


class BadRows:
    """The bad ones among n rows, each with the first reason that was found."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._faults = Faults(rows.numbers.size)

    @property
    def good(self) -> Bools:
        """(n,) the rows that nothing is wrong with so far."""
        return self._faults.good

    def blame(self, rows: Bools | Ints, reason: str, column: str | None = None) -> None:
        """Call rows bad, given as a mask or by their places, unless they are already; for what is in a
        column, if that is all that it takes to see why."""
        self._faults.blame(rows, "", reason, column)

    def all(self) -> Iterator[BadRow]:
        """Each bad row, and each record that is no row, in the order of their numbers."""
        places = {int(self._rows.numbers[place]): place for place in np.flatnonzero(~self.good).tolist()}
        unreadable = {record.number: record for record in self._rows.unreadable}
        for number in sorted(places.keys() | unreadable.keys()):
            file, within = self._rows.where(number)
            if number in places:
                place = places[number]
                fault = self._faults.found[self._faults.culprit[place]]
                values = partial(self._rows.as_they_came, place)
                yield BadRow(file, within, fault.text, values, fault.column)
            else:
                record = unreadable[number]
                text = record.content.decode(errors="replace")
                yield BadRow(file, within, record.wrong.fault, partial(str, text))
