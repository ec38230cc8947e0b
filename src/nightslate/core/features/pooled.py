"""What the events of all users say about each of some arms: sums that merge, whoever's events they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints
from nightslate.core.features.events import SECOND


@dataclass(frozen=True, eq=False)
class Pooled(ArrayRecord):
    """By arm (A,): how many events there are; of their values the sum, the least and the largest; when the
    first and the last one was, in microseconds. Of no events the least is above the largest, and the first
    after the last."""

    counts: Ints
    totals: Floats
    lowest: Floats
    highest: Floats
    first: Ints
    last: Ints

    @classmethod
    def initial(cls, arms: int) -> Self:
        """Of no events."""
        never = np.iinfo(np.int64)
        return cls(
            np.zeros(arms, dtype=np.int64),
            np.zeros(arms),
            np.full(arms, np.inf),
            np.full(arms, -np.inf),
            np.full(arms, never.max),
            np.full(arms, never.min),
        )

    def update(self, arm: Ints, at: Ints, values: Floats) -> Self:
        """These, and more events (n,), in the order in which their values are summed."""
        more = type(self).initial(self.counts.size)
        np.minimum.at(more.lowest, arm, values)
        np.maximum.at(more.highest, arm, values)
        np.minimum.at(more.first, arm, at)
        np.maximum.at(more.last, arm, at)
        more.counts[:] = np.bincount(arm, minlength=more.counts.size)
        more.totals[:] = np.bincount(arm, values, minlength=more.counts.size)
        return self.merge(more)

    def merge(self, other: Self) -> Self:
        """Of the events of both."""
        return type(self)(
            self.counts + other.counts,
            self.totals + other.totals,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            np.minimum(self.first, other.first),
            np.maximum(self.last, other.last),
        )

    def of_values(self, aggregation: str) -> Floats:
        """(A,) the count of events, or the sum, mean, min or max of their values; NaN where there is nothing
        to aggregate."""
        with np.errstate(invalid="ignore"):
            found = {
                "count": self.counts,
                "sum": self.totals,
                "mean": self.totals / self.counts,
                "min": self.lowest,
                "max": self.highest,
            }[aggregation]
        return self._none_if_empty(found.astype(np.float64))

    def since_first(self, moment: int) -> Floats:
        """(A,) seconds from the first event to the moment, NaN where there is none."""
        return self._none_if_empty((moment - self.first.astype(np.float64)) / SECOND)

    def since_last(self, moment: int) -> Floats:
        """(A,) seconds from the last event to the moment, NaN where there is none."""
        return self._none_if_empty((moment - self.last.astype(np.float64)) / SECOND)

    def rate(self, prior: float) -> Floats:
        """(A,) the mean value of an arm's events, shrunk to the mean of the events of all arms as if `prior`
        more events of the arm had that: the posterior mean of a beta-binomial rate whose prior has this mean
        and strength (Gelman and others, Bayesian Data Analysis, 2013, section 2.4). NaN where there are no
        events at all."""
        return np.asarray((self.totals + prior * self._mean) / (self.counts + prior))

    def lift(self, prior: float) -> Floats:
        """(A,) the rate in units of the mean of all arms; NaN unless that is above 0."""
        mean = self._mean if self._mean > 0 else np.nan
        return np.asarray(self.rate(prior) / mean)

    @property
    def _mean(self) -> float:
        events = int(self.counts.sum())
        return float(self.totals.sum()) / events if events else float("nan")

    def _none_if_empty(self, found: Floats) -> Floats:
        return np.asarray(np.where(self.counts > 0, found, np.nan))
