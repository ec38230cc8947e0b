"""Rows that stand more than once: exact copies count once, and rows that share an id and nothing else are
all bad, for nobody knows which of them is right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Keys
from nightslate.files.threads import in_order
from nightslate.files.users import ROW

DIFFERS = "{} stands twice, with something else beside it"


def repeated(keys: Keys) -> Keys:
    """The keys that stand more than once, in order."""

    def in_quarter(number: int) -> Keys:
        first, last = np.uint64(number << 62), np.uint64((number + 1 << 62) - 1)
        ordered = np.sort(keys[(keys >= first) & (keys <= last)])
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])

    return np.concatenate(list(in_order(in_quarter, range(4))))


def among(keys: Keys, chosen: Keys) -> Bools:
    """(n,) which keys are among the chosen ones, which are in order."""
    if not chosen.size:
        return np.zeros(keys.size, dtype=np.bool_)
    return np.asarray(chosen[np.minimum(np.searchsorted(chosen, keys), chosen.size - 1)] == keys)


def copies(table: pa.Table, possible: Bools) -> Bools:
    """(n,) which rows are equal to an earlier row in all columns but ROW; only `possible` ones can be."""
    found = possible.copy()
    places = np.flatnonzero(possible)
    if places.size:
        names = [name for name in table.column_names if name != ROW]
        rows = table.select(names).take(pa.array(places)).append_column("at", pa.array(places))
        found[np.asarray(rows.group_by(names).aggregate([("at", "min")])["at_min"])] = False
    return found
