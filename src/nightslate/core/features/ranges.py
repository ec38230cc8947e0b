"""Ranges of an array, many at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nightslate.core.arrays import AnyArray, Ints

_ROWS_AT_ONCE = 1 << 21
_BLOCK = 64
_LONG = _BLOCK * _BLOCK


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
    long = high - low > _LONG
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
