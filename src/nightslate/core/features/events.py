"""Events of many users, and those of them that lie in the windows before moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.features.ranges import flat, in_slices, reduced
from nightslate.core.ordering import bisect, places_in, ties

SECOND = 1_000_000
"""In microseconds, in which all times are."""
DAY = 86_400 * SECOND


@dataclass(frozen=True, eq=False)
class Moments:
    """What features are wanted of: user (m,), in ascending order; at (m,): the moment, before which events
    count; known (m,): what was known by then counts."""

    user: Ints
    at: Ints
    known: Ints


@dataclass(frozen=True, eq=False)
class Merged:
    """What n rows stand for of which each is one event, or several of one user and day that are merged: the
    first one's time, how many they are, and of their values the sum, the least and the largest, (n,)."""

    began: Ints
    counts: Ints
    totals: Floats
    lowest: Floats
    highest: Floats

    def at_places(self, places: Ints) -> Merged:
        """Some of them."""
        return Merged(*(getattr(self, column.name)[places] for column in fields(self)))


@dataclass(frozen=True, eq=False)
class Events:
    """n events by user, time and value. first (users + 1,): where those of each user begin, and where the
    last one's end; at, known (n,): when they happened, and when they were known; values (n,). merged: what
    each stands for, where some are of several events, the last of which they are."""

    first: Ints
    at: Ints
    known: Ints
    values: Floats
    merged: Merged | None = None

    @classmethod
    def of(
        cls, users: int, user: Ints, at: Ints, known: Ints, values: Floats, merged: Merged | None = None
    ) -> Events:
        """Of events (n,) by user and time. Those that tie are put into an order that is the same whatever
        order they come in."""
        order = np.arange(user.size)
        tied, group = ties(order, (user, at))
        if tied.size:
            order[tied] = tied[np.lexsort((known[tied], values[tied], group))]
            known, values = known[order], values[order]
            merged = merged and merged.at_places(order)
        return cls(np.searchsorted(user, np.arange(users + 1)), at, known, values, merged)

    @cached_property
    def first_of_days(self) -> Ints:
        """(d + 1,): where those of each user and (UTC) day begin, and where the last one's end."""
        begins = self.begins.copy()
        begins[1:] |= np.diff(self.at // DAY) > 0
        return np.append(np.flatnonzero(begins), begins.size)

    @cached_property
    def totals_of_days(self) -> Floats:
        """(d,) the sum of the values of each of these days."""
        low, high = self.first_of_days[:-1], self.first_of_days[1:]
        return reduced(np.add, self.totals, low, high, low)

    @property
    def began(self) -> Ints:
        """(n,) when the first one was of those that each stands for."""
        return self.merged.began if self.merged else self.at

    @property
    def totals(self) -> Floats:
        """(n,) the sum of the values of those that each stands for; so are their least and largest."""
        return self.merged.totals if self.merged else self.values

    @property
    def lowest(self) -> Floats:
        return self.merged.lowest if self.merged else self.values

    @property
    def highest(self) -> Floats:
        return self.merged.highest if self.merged else self.values

    @cached_property
    def owner(self) -> Ints:
        """(n,) whose event each is."""
        return np.repeat(np.arange(self.first.size - 1), np.diff(self.first))

    @cached_property
    def begins(self) -> Bools:
        """(n,) whether each is the first one of its user."""
        begins = np.zeros(self.at.size, dtype=np.bool_)
        begins[self.first[:-1][np.diff(self.first) > 0]] = True
        return begins

    @cached_property
    def by_value(self) -> Ints:
        """(n,) an order of them by value, of all users."""
        return np.argsort(self.values)

    @cached_property
    def ranks(self) -> Ints:
        """(n,) where each stands in that order."""
        return places_in(self.by_value)

    @cached_property
    def same_before(self) -> Ints:
        """(n,) the place of the event before each one of the same user with the same value, -1 where there is
        none."""
        _, codes = np.unique(self.values, return_inverse=True)
        keys = self.owner * (codes.max(initial=0) + 1) + codes
        order = np.argsort(keys, kind="stable")
        before = np.full(order.size, -1)
        same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        before[order[same + 1]] = order[same]
        return before

    @cached_property
    def known_at_once(self) -> bool:
        """Whether each was known when it happened."""
        return bool((self.known <= self.at).all())

    def windows(self, moments: Moments, window: int | None) -> Windows:
        """What happened in [moment - window, moment), known or not; None: all before the moment."""
        begin, end = self.first[moments.user], self.first[moments.user + 1]
        high = bisect(self.at, begin, end, moments.at - 1)
        low = begin if window is None else bisect(self.at, begin, high, moments.at - window - 1)
        return Windows(self, moments.at, low, high)

    def known_in(self, windows: Windows, known: Ints) -> Iterator[tuple[Ints, Windows]]:
        """The windows (m,) without what was not known by `known` (m,): parts of them, and their places."""
        if self.known_at_once and (known >= windows.moment).all():
            yield np.arange(known.size), windows
            return
        latest = reduced(np.maximum, self.known, windows.low, windows.high, windows.origin)
        unknown = (windows.high > windows.low) & (latest > known)
        whole = np.flatnonzero(~unknown)
        yield whole, windows.at_places(whole)
        some = np.flatnonzero(unknown)
        for part in in_slices(windows.counts[some]):
            yield some[part], self._known(windows.at_places(some[part]), known[some[part]])

    def _known(self, windows: Windows, known: Ints) -> Windows:
        """The events of each window that were known, as if each window were a user of its own."""
        places, ends = flat(windows.low, windows.high)
        moment = np.repeat(np.arange(ends.size), windows.counts)
        kept = self.known[places] <= known[moment]
        places = places[kept]
        first = np.append(0, np.cumsum(np.bincount(moment[kept], minlength=ends.size)))
        merged = self.merged and self.merged.at_places(places)
        events = Events(first, self.at[places], self.known[places], self.values[places], merged)
        return Windows(events, windows.moment, first[:-1], first[1:])


@dataclass(frozen=True, eq=False)
class Windows:
    """Events from place low (m,) up to place high (m,), for each of m moments, in the order of users."""

    events: Events
    moment: Ints
    low: Ints
    high: Ints

    @property
    def counts(self) -> Ints:
        """(m,) how many rows of events each has."""
        return self.high - self.low

    @cached_property
    def origin(self) -> Ints:
        """(m,) where the events of the user begin whose window it is."""
        return self.events.first[np.searchsorted(self.events.first, self.low, side="right") - 1]

    def at_places(self, places: Ints) -> Windows:
        """Some of them."""
        return Windows(self.events, self.moment[places], self.low[places], self.high[places])
