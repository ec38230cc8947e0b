"""Aggregations of the events in windows. Each gives (m,) float64, NaN where there is nothing to aggregate."""

from __future__ import annotations

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints
from nightslate.core.features.events import SECOND, Windows
from nightslate.core.features.ranges import LONG, counted_below, flat, in_slices, nth_smallest, reduced


def count(windows: Windows) -> Floats:
    """How many events."""
    merged = windows.events.merged
    found = windows.counts if merged is None else _reduced(np.add, merged.counts, windows)
    return found.astype(np.float64)


def total(windows: Windows) -> Floats:
    """The sum of their values, day by day: of the first (UTC) day that has some of them, then of the days
    between, then of the last one. So it is the same where days are merged already, to the last bit."""
    events, days = windows.events, windows.events.first_of_days
    found, some = np.full(windows.low.size, np.nan), np.flatnonzero(windows.counts)
    low, high = windows.low[some], windows.high[some]
    first, last = (np.searchsorted(days, place, side="right") - 1 for place in (low, high - 1))
    begin, end = days[last], np.minimum(high, days[first + 1])
    of_first = reduced(np.add, events.totals, low, end, days[first])
    between = reduced(np.add, events.totals_of_days, first + 1, np.maximum(first + 1, last), first + 1)
    of_last = reduced(np.add, events.totals, np.where(first < last, begin, high), high, begin)
    found[some] = of_first + between + of_last
    return found


def mean(windows: Windows) -> Floats:
    """The mean of their values."""
    with np.errstate(invalid="ignore"):
        return np.asarray(total(windows) / count(windows))


def least(windows: Windows) -> Floats:
    """The least of their values."""
    return _none_if_empty(windows, _reduced(np.minimum, windows.events.lowest, windows))


def most(windows: Windows) -> Floats:
    """The largest of their values."""
    return _none_if_empty(windows, _reduced(np.maximum, windows.events.highest, windows))


def last(windows: Windows) -> Floats:
    """The value of the last one; of several at one time the largest."""
    return _of_last(windows, windows.events.values)


def time_since_last(windows: Windows) -> Floats:
    """Seconds from the last one to the moment."""
    found = _of_last(windows, windows.events.at)
    return np.asarray((windows.moment - found) / SECOND)


def time_since_first(windows: Windows) -> Floats:
    """Seconds from the first one to the moment."""
    began = _reduced(np.minimum, windows.events.began, windows)
    return _none_if_empty(windows, (windows.moment - began) / SECOND)


def distinct(windows: Windows) -> Floats:
    """How many different values they have: those events count that are the first of their value in the
    window."""
    before, low = windows.events.same_before, windows.low
    found = counted_below(before, low, low, windows.high, windows.origin)
    return _none_if_empty(windows, found.astype(np.float64))


def quantile(windows: Windows, which: float) -> Floats:
    """The quantile of their values, linear between two of them (Hyndman and Fan, 1996, type 7)."""
    events, last = windows.events, np.maximum(windows.counts - 1, 0)
    position = last * which
    below = np.floor(position).astype(np.int64)
    ranks = _ranked(windows, (below, np.minimum(below + 1, last)))
    left, right = np.append(events.values[events.by_value], np.nan)[ranks]
    return np.asarray(left + (right - left) * (position - below))


def _ranked(windows: Windows, nths: tuple[Ints, ...]) -> Ints:
    """(k, m) the ranks of the values at the places of each of k nths (m,) in their order; -1 of an empty
    window."""
    rank, found = windows.events.ranks, np.full((len(nths), windows.low.size), -1)
    long = np.flatnonzero(windows.counts > LONG)
    for place, nth in enumerate(nths):
        of_long = (windows.low[long], windows.high[long], windows.origin[long])
        found[place, long] = nth_smallest(rank, nth[long], *of_long)
    short = np.flatnonzero((windows.counts > 0) & (windows.counts <= LONG))
    for part in in_slices(windows.counts[short]):
        mine = short[part]
        places, ends = flat(windows.low[mine], windows.high[mine])
        counts = windows.counts[mine]
        # One number to sort by: which window, and the rank of the value.
        keys = np.sort(np.repeat(np.arange(mine.size), counts) * rank.size + rank[places])
        for place, nth in enumerate(nths):
            found[place, mine] = keys[ends - counts + nth[mine]] % rank.size
    return found


def sessions(windows: Windows, gap: int) -> Floats:
    """How many sessions. A user who does nothing for the gap (microseconds) or longer begins a new one. One
    that began before the window counts."""
    events = windows.events
    begins = events.begins.copy()
    begins[1:] |= np.diff(events.at) >= gap
    return _none_if_empty(windows, 1.0 + _between(windows, begins))


def time_between(windows: Windows, opens: Bools, closes: Bools) -> Floats:
    """Mean seconds from an event that opens (n,) to the next event, if that closes (n,)."""
    events = windows.events
    is_pair = np.zeros(opens.size, dtype=np.bool_)
    is_pair[1:] = opens[:-1] & closes[1:] & ~events.begins[1:]
    seconds = np.zeros(opens.size)
    seconds[1:] = np.where(is_pair[1:], np.diff(events.at), 0) / SECOND
    pairs = _between(windows, is_pair)
    after_first = np.minimum(windows.low + 1, windows.high)
    spent = reduced(np.add, seconds, after_first, windows.high, windows.origin)
    with np.errstate(invalid="ignore"):
        return np.asarray(spent / pairs)


def _between(windows: Windows, flags: Bools) -> Floats:
    """(m,) how many of the flags (n,) stand at events of each window after its first."""
    up_to = np.append(0, np.cumsum(flags))
    counts: Ints = up_to[windows.high] - up_to[np.minimum(windows.low + 1, windows.high)]
    return counts.astype(np.float64)


def _reduced(ufunc: np.ufunc, values: AnyArray, windows: Windows) -> AnyArray:
    """(m,) of the values (n,) of each window, 0 of an empty one."""
    return reduced(ufunc, values, windows.low, windows.high, windows.origin)


def _of_last(windows: Windows, values: AnyArray) -> Floats:
    found = np.full(windows.low.size, np.nan)
    some = windows.counts > 0
    found[some] = values[windows.high[some] - 1]
    return found


def _none_if_empty(windows: Windows, found: Floats) -> Floats:
    return np.asarray(np.where(windows.counts > 0, found, np.nan))
