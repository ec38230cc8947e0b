"""What bounds the credit of one user in one day."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints

_CRUMB = 1e-12
"""What rounding leaves of a cap that is used up, relative to it: so little is nothing."""


def first_of_each(groups: Ints, order: Ints, most: int) -> Bools:
    """(m,) which rows are among the first `most` of their group, in the given order, which has the rows of a
    group together. groups (m,) of rows; order (m,): places of rows."""
    ordered = groups[order]
    place = np.arange(ordered.size) - _starts(ordered)
    kept = np.empty(ordered.size, dtype=np.bool_)
    kept[order] = place < most
    return kept


def capped(totals: Floats, groups: Ints, order: Ints, cap: float) -> Floats:
    """(m,) what is left of each total, so that those > 0 of a group sum to no more than the cap: the first in
    the order keep theirs. Totals <= 0 stay, and make no room."""
    positive = np.maximum(totals[order], 0.0)
    ordered = groups[order]
    before = _sums_before(positive, _starts(ordered))
    room = cap - before
    room[room < _CRUMB * cap] = 0.0
    left = np.minimum(positive, room)
    kept = np.empty(totals.size)
    kept[order] = np.where(totals[order] > 0, left, totals[order])
    return kept


def _starts(ordered: Ints) -> Ints:
    """(m,) where the group of each row begins."""
    at = np.arange(ordered.size)
    begins = np.append(True, ordered[1:] != ordered[:-1])[: ordered.size]
    return np.asarray(np.maximum.accumulate(np.where(begins, at, 0)))


def _sums_before(values: Floats, starts: Ints) -> Floats:
    """(m,) the sum of the values of a row's group before it, each group summed for itself: sums that ran over
    all groups would lose digits to their size."""
    sums = np.zeros(values.size)
    place = np.arange(values.size) - starts
    by_place = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place)) if place.size else place
    for begin, end in pairwise(ends):
        rows = by_place[begin:end]
        sums[rows] = sums[rows - 1] + values[rows - 1]
    return sums
