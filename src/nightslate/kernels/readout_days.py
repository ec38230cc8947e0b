"""The sums by day of assignment, of which effects are made while shares move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments import DailyShares, Moments
from nightslate.kernels.experiment_users import DAY, EPOCH, Allocated, ExperimentUsers, Scope


@dataclass(frozen=True)
class Daily:
    """What daily sums are of: a metric; whose users count; and what is summed: `moments` of the metric's
    parts and 1, weighted, by day and variant, or the `shares` of these users."""

    metric: str
    scope: Scope
    of: Literal["moments", "shares"]


@dataclass(frozen=True)
class DailySums:
    """Of a metric, from the experiment's first day up to that of the night."""

    metric: str
    scope: Scope
    allocated: Allocated
    ds: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.ds - self.allocated.since).days + 1

    def initial(self) -> Iterator[tuple[Daily, Any]]:
        """Of no users."""
        variants = len(self.allocated.variants)
        yield Daily(self.metric, self.scope, "moments"), Moments.initial((self.days, variants), 3)
        nobody = DailyShares(np.zeros(self.days, dtype=np.int64), np.zeros((self.days, variants)))
        yield Daily(self.metric, self.scope, "shares"), nobody

    def of(self, users: ExperimentUsers, who: Ints, parts: Floats) -> Iterator[tuple[Daily, Any]]:
        """Of some users (m,), with the numerator and the denominator of each (m, 2)."""
        day = users.assigned[who] // DAY - (self.allocated.since - EPOCH).days
        values = np.column_stack([parts, np.ones(who.size)]) * users.weight[who][:, None]
        (moments, none), (shares, _) = self.initial()
        yield moments, none.update(day * none.n.shape[1] + users.variant[who], values)
        yield shares, DailyShares.of(day, users.probabilities[who], self.days)
