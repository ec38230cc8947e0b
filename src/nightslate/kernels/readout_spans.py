"""The time of users that a metric is about, and what they did in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.kernels.experiment_users import DAY
from nightslate.kernels.user_totals import Counted, Done
from nightslate.programs.days import microseconds


@dataclass(frozen=True, eq=False)
class Spans:
    """Of m users among u their places; since when each is spoken of, first; and the time that counts, from
    begin up to before until; all (m,), in microseconds."""

    who: Ints
    first: Ints
    begin: Ints
    until: Ints
    users: int

    def before(self, window: timedelta) -> Spans:
        """The time so long before each is spoken of."""
        since = self.first - microseconds(window)
        return replace(self, first=since, begin=since, until=self.first)

    def parted(self, after: timedelta) -> tuple[Spans, Spans]:
        """What is left of them after so long, and the first of them."""
        middle = self.begin + microseconds(after)
        return replace(self, begin=middle), replace(self, until=middle)

    @property
    def days(self) -> Floats:
        """(m,) how long they are."""
        return (self.until - self.begin) / DAY

    def totals(self, done: Counted) -> Floats:
        """(m,) of each what was done in its time."""
        return done.totals(*(self._of_all(each) for each in (self.first, self.begin, self.until)))[self.who]

    def days_until(self, done: Done) -> Floats:
        """(m,) how long after it begins each did the first of it, and how long it is for who did not."""
        of_all = (self._of_all(each) for each in (self.first, self.begin, self.until))
        return (done.first(*of_all)[self.who] - self.begin) / DAY

    def _of_all(self, moments: Ints) -> Ints:
        """(u,) with those in which nothing is for all others."""
        found = np.zeros(self.users, dtype=np.int64)
        found[self.who] = moments
        return found
