"""Orders of rows, and places in them, for rows of many users at once."""

from __future__ import annotations

import numpy as np

from nightslate.core.arrays import Ints


def by_key_and_time(keys: Ints, times: Ints) -> Ints:
    """A stable order of rows (n,) by key, each >= 0, and time."""
    span = int(times.max(initial=0)) - int(times.min(initial=0)) + 1
    if (times[1:] >= times[:-1]).all():  # as logs come
        return _by_digits(keys)
    if int(keys.max(initial=0)) < (2**63 - 1) // span - 1:
        # one number to sort by; rows that come user by user, day by day, are long runs, which merge fast
        return np.argsort(keys * span + (times - times.min(initial=0)), kind="stable")
    return np.lexsort((times, keys))


def places_in(order: Ints) -> Ints:
    """(n,) where each row stands in an order of these rows: its inverse."""
    places = np.empty_like(order)
    places[order] = np.arange(order.size)
    return places


def ties(order: Ints, by: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Where in the order rows are equal to a neighbour in all of `by`, and which of them are equal."""
    same = np.ones(max(order.size - 1, 0), dtype=np.bool_)
    for column in by:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same)) if same.any() else order[:0]
    return tied, np.cumsum(~np.append(False, same))[tied] if tied.size else tied


def bisect(values: Ints, low: Ints, high: Ints, wanted: Ints) -> Ints:
    """(m,) the first place in [low, high], each (m,), that holds more than is wanted (m,). Values (n,) are
    in order from each low to its high."""
    low, high = low.copy(), high.copy()
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) // 2
        above = values[middle] > wanted[open_]
        high[open_] = np.where(above, middle, high[open_])
        low[open_] = np.where(above, low[open_], middle + 1)
    return low


def _by_digits(keys: Ints) -> Ints:
    """A stable order of keys >= 0, by 16 bits at a time: of so short numbers a radix sort."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    while (keys := keys >> 16).any():
        order = order[np.argsort(keys[order].astype(np.uint16), kind="stable")]
    return order


def events_between(users: Ints, at: Ints, asked: Ints, begin: Ints, end: Ints) -> Ints:
    """(n,) how many events the users `asked` about have in [begin, end), all (n,). users, at (m,): whose
    event each is (-1: nobody's who is asked about), and when, in any order."""
    times = np.unique(at)
    # A number for each user and place in time, so that one search finds both.
    events = np.sort(users * (times.size + 1) + np.searchsorted(times, at))
    before_end, before = (
        np.searchsorted(events, asked * (times.size + 1) + np.searchsorted(times, moment))
        for moment in (end, begin)
    )
    return np.asarray(before_end - before)
