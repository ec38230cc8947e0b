"""Which impressions an outcome touches: those that match it, in its window, in a total order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nightslate.core.arrays import Bools, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.core.ordering import bisect, by_key_and_time, ties

NOTHING = -1

Ranks = Callable[[Ints], Ints]
"""Places of rows to their ranks in the order that ends all ties. It is asked only about rows that do tie, for
it may be dear: ids are long."""


@dataclass(frozen=True, eq=False)
class Touches:
    """The touches of m outcomes. line: places of impressions; those of an outcome are line[first:last], with
    first and last (m,), the latest of them last. earlier (m,): whether an impression matches it but came
    before its window; later (m,): whether the one that it names came after it."""

    line: Ints
    first: Ints
    last: Ints
    earlier: Bools
    later: Bools

    @property
    def counts(self) -> Ints:
        """(m,) how many touches each outcome has."""
        return self.last - self.first

    @classmethod
    def none(cls, outcomes: int) -> Touches:
        """Outcomes that touch nothing."""
        nowhere, no = np.zeros(outcomes, dtype=np.int64), np.zeros(outcomes, dtype=np.bool_)
        return cls(nowhere[:0], nowhere, nowhere, no, no)

    def without(self, outcomes: Bools) -> Touches:
        """These, but for those of some outcomes (m,)."""
        return replace(self, last=np.where(outcomes, self.first, self.last))

    def with_those_of(self, outcomes: Ints, others: Touches) -> Touches:
        """These, but for `outcomes` (k,), places among the m: theirs are the touches of `others` (k,)."""
        first, last = self.first.copy(), self.last.copy()
        earlier, later = self.earlier.copy(), self.later.copy()
        first[outcomes], last[outcomes] = others.first + self.line.size, others.last + self.line.size
        earlier[outcomes], later[outcomes] = others.earlier, others.later
        return Touches(np.concatenate([self.line, others.line]), first, last, earlier, later)


def matched(
    keys: Ints,
    times: Ints,
    slots: Ints,
    ranks: Ranks,
    outcome_keys: Ints,
    outcome_times: Ints,
    windows: Ints,
) -> Touches:
    """The impressions with an outcome's key and outcome_time - window <= time <= outcome_time, in the order
    of time, slot and rank.

    Impressions (n,): keys >= 0, times, slots; outcomes (m,): keys, times, windows. Times and windows are in
    microseconds. An outcome whose key is negative touches nothing. Raises InvalidInputError where columns of
    one log differ in length or a window is negative."""
    _require_columns("impression", keys, times, slots)
    _require_columns("outcome", outcome_keys, outcome_times, windows)
    if (windows < 0).any():
        raise InvalidInputError(f"an attribution window must not be negative, got {windows.min()} us")
    line = _by_key_and_time(keys, times, slots, ranks)
    of_line, when = keys[line], times[line]
    wanted, each = np.unique(outcome_keys, return_inverse=True)  # in order, it goes through memory once
    begin, end = (np.searchsorted(of_line, wanted, side)[each] for side in ("left", "right"))
    first = bisect(when, begin, end, outcome_times - windows - 1)
    last = bisect(when, first, end, outcome_times)
    return Touches(line, first, last, earlier=first > begin, later=np.zeros(first.size, dtype=np.bool_))


def named(places: Ints, lags: Ints, windows: Ints, skew: int) -> Touches:
    """The impression that an outcome names, alone, if it is in the window.

    places (m,): where it is, -1 where there is none; lags (m,): from it to the outcome. It may seem to be up
    to `skew` after the outcome. All times are in microseconds."""
    known = places != NOTHING
    touched = known & (lags >= -skew) & (lags <= windows)
    first = np.arange(places.size)
    return Touches(
        line=places,
        first=first,
        last=first + touched,
        earlier=known & (lags > windows),
        later=known & (lags < -skew),
    )


def in_order(groups: Sequence[Ints], times: Ints, ranks: Ranks) -> Ints:
    """An order of rows (n,) by groups, time, and rank where rows tie."""
    order = np.lexsort((times, *reversed(groups)))
    return _with_ties_ranked(order, (*groups, times), ranks)


def _by_key_and_time(keys: Ints, times: Ints, slots: Ints, ranks: Ranks) -> Ints:
    return _with_ties_ranked(by_key_and_time(keys, times), (keys, times), ranks, slots)


def _with_ties_ranked(order: Ints, by: tuple[Ints, ...], ranks: Ranks, slots: Ints | None = None) -> Ints:
    """`order`, in which rows that are equal in all of `by` are ordered by slot, then by rank."""
    slots = np.zeros(order.size, dtype=np.int64) if slots is None else slots
    if slots.any():
        tied, group = ties(order, by)
        if tied.size:
            rows = order[tied]
            order[tied] = rows[np.lexsort((slots[rows], group))]
    tied, group = ties(order, (*by, slots))
    if tied.size:
        rows = order[tied]
        order[tied] = rows[np.lexsort((ranks(rows), group))]
    return order


def _require_columns(log: str, *columns: Ints) -> None:
    if any(column.shape != (columns[0].size,) or column.dtype.kind not in "iu" for column in columns):
        described = ", ".join(f"{column.dtype} {column.shape}" for column in columns)
        raise InvalidInputError(f"the {log} columns must be integers of one length, got {described}")
