"""Ranges of an array, many at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nightslate.core.arrays import AnyArray, Ints

_ROWS_AT_ONCE = 1 << 21
_BLOCK = 64
_SORTED = 2048
LONG = 4096
"""A range of more is gone over in blocks: it holds one of each size at least."""


def flat(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """The places from each low (m,) up to its high (m,), one range after another, and where each ends among
    them, (m,)."""
    counts = high - low
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if ends.size else 0) + np.repeat(low - (ends - counts), counts), ends


def in_slices(counts: Ints) -> Iterator[slice]:
    """Slices of m ranges with so many places each (m,), so that those of a slice fit into memory: a range
    that alone is long is a slice of its own."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < counts.size:
        before = ends[begin] - counts[begin]
        end = max(begin + 1, int(np.searchsorted(ends, before + _ROWS_AT_ONCE, side="right")))
        yield slice(begin, end)
        begin = end


def reduced(ufunc: np.ufunc, values: AnyArray, low: Ints, high: Ints, origin: Ints) -> AnyArray:
    """(m,) ufunc over values[low:high] of each range, and 0 of an empty one.

    A range of many values is put together of blocks of them, which count from its origin (m,): so what is
    after a range has no influence on it, not even on its last bit, and the ranges of a user with a million
    events cost what those of others do."""
    found = np.zeros(low.size, dtype=values.dtype)
    long = high - low > LONG
    short = np.flatnonzero((high > low) & ~long)
    found[short] = _each(ufunc, values, low[short], high[short])
    for first in np.unique(origin[long]).tolist():
        mine = np.flatnonzero(long & (origin == first))
        found[mine] = _in_blocks(
            ufunc, values[first : high[mine].max()], low[mine] - first, high[mine] - first
        )
    return found


def _each(ufunc: np.ufunc, values: AnyArray, low: Ints, high: Ints) -> AnyArray:
    """Of ranges that are not empty."""
    if not low.size:
        return values[:0]
    order = np.argsort(low, kind="stable")  # between two ranges it goes over what is there, too
    bounds = np.stack([low[order], high[order]], axis=1).ravel()
    if bounds.max() == values.size:
        values = np.append(values, values[-1:])
    found = np.empty(low.size, dtype=values.dtype)
    found[order] = ufunc.reduceat(values, bounds)[::2]
    return found


def _in_blocks(ufunc: np.ufunc, values: AnyArray, low: Ints, high: Ints) -> AnyArray:
    """Of ranges that each hold some whole blocks: what is before these, they, and what is after."""
    whole = values.size // _BLOCK
    blocks = ufunc.reduce(values[: whole * _BLOCK].reshape(whole, _BLOCK), axis=1)
    first, last = -(-low // _BLOCK), high // _BLOCK
    inner = reduced(ufunc, blocks, first, last, np.zeros_like(first))
    for begin, end in ((low, first * _BLOCK), (last * _BLOCK, high)):
        some = np.flatnonzero(end > begin)
        inner[some] = ufunc(inner[some], _each(ufunc, values, begin[some], end[some]))
    return inner


def counted_below(values: AnyArray, bound: AnyArray, low: Ints, high: Ints, origin: Ints) -> Ints:
    """(m,) how many of values[low:high] are less than the bound (m,) of each range.

    Of a long range, blocks that count from its origin (m,) are sorted once for all ranges, so that its cost
    hardly grows with its length."""
    found = np.zeros(low.size, dtype=np.int64)
    long = high - low > LONG
    short = np.flatnonzero(~long)
    for part in in_slices((high - low)[short]):
        mine = short[part]
        places, _ = flat(low[mine], high[mine])
        counts = high[mine] - low[mine]
        is_less = values[places] < np.repeat(bound[mine], counts)
        of_range = np.repeat(np.arange(mine.size), counts)
        found[mine] = np.bincount(of_range[is_less], minlength=mine.size)
    for first in np.unique(origin[long]).tolist():
        mine = np.flatnonzero(long & (origin == first))
        own = values[first : high[mine].max()]
        found[mine] = _below_in_blocks(own, bound[mine], low[mine] - first, high[mine] - first)
    return found


def nth_smallest(ranks: Ints, nth: Ints, low: Ints, high: Ints, origin: Ints) -> Ints:
    """(m,) the rank at the place nth (m,), from 0, among ranks[low:high] in their order. Ranks are from 0 up
    to their number; it is found by bisection of what the ranks can be."""
    least, most = np.zeros_like(low), np.full_like(low, ranks.size - 1)
    while (open_ := np.flatnonzero(least < most)).size:
        middle = (least[open_] + most[open_]) // 2
        up_to = counted_below(ranks, middle + 1, low[open_], high[open_], origin[open_])
        enough = up_to > nth[open_]
        most[open_] = np.where(enough, middle, most[open_])
        least[open_] = np.where(enough, least[open_], middle + 1)
    return least


def _below_in_blocks(values: AnyArray, bound: AnyArray, low: Ints, high: Ints) -> Ints:
    """Of ranges that each hold some whole blocks of _SORTED."""
    first, last = -(-low // _SORTED), high // _SORTED
    found = np.zeros(low.size, dtype=np.int64)
    for block in range(int(first.min()), int(last.max())):
        covering = np.flatnonzero((first <= block) & (block < last))
        in_order = np.sort(values[block * _SORTED : (block + 1) * _SORTED])
        found[covering] += np.searchsorted(in_order, bound[covering])
    for begin, end in ((low, first * _SORTED), (last * _SORTED, high)):
        found += counted_below(values, bound, begin, end, np.zeros_like(begin))
    return found
