"""Sufficient statistics that learners share."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums, finite, indices
from nightslate.core.errors import InvalidInputError

# Few enough to stay in a core's cache, and for BLAS not to start threads over them.
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class ArmSums(Sums):
    """Rows, their weights and their weighted rewards by arm, each (A,): what learners need that ignore the
    context."""

    count: Ints
    weight: Floats
    reward: Floats

    @classmethod
    def zero(cls, n_arms: int) -> Self:
        """No rows yet."""
        return cls(np.zeros(n_arms, dtype=np.int64), np.zeros(n_arms), np.zeros(n_arms))

    @property
    def arms(self) -> int:
        """The number of arms."""
        return len(self.count)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count.sum())

    def update(self, contexts: Floats, arms: Ints, rewards: Floats, weights: Floats | None = None) -> Self:
        """These sums and n more rows."""
        rows = len(contexts)
        arms = indices("arms", arms, (rows,), self.arms)
        weights = row_weights(weights, rows)
        rewards = finite("rewards", rewards, (rows,)) * weights
        count = np.bincount(arms, minlength=self.arms)
        weight, reward = (
            np.asarray(np.bincount(arms, weights=values, minlength=self.arms), dtype=np.float64)
            for values in (weights, rewards)
        )
        return self.merge(type(self)(count, weight, reward))


@dataclass(frozen=True, eq=False)
class LinearSums(Sums):
    """Normal equations of a linear regression in each arm, W the rows' weights: X'WX (A, d, d), X'Wr (A, d),
    rows (A,), sum of weights (), sum of w r**2 ()."""

    gram: Floats
    moment: Floats
    count: Ints
    weight: Floats
    squares: Floats

    @classmethod
    def zero(cls, n_arms: int, n_features: int) -> Self:
        """No rows yet."""
        return cls(
            np.zeros((n_arms, n_features, n_features)),
            np.zeros((n_arms, n_features)),
            np.zeros(n_arms, dtype=np.int64),
            np.zeros(()),
            np.zeros(()),
        )

    @property
    def arms(self) -> int:
        """The number of arms."""
        return len(self.count)

    @property
    def features(self) -> int:
        """The number of features of a context."""
        return int(self.moment.shape[1])

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count.sum())

    def update(self, contexts: Floats, arms: Ints, rewards: Floats, weights: Floats | None = None) -> Self:
        """These sums and n more rows."""
        rows = len(contexts)
        contexts = finite("contexts", contexts, (rows, self.features))
        arms = indices("arms", arms, (rows,), self.arms)
        weighted = weights is not None
        weights = row_weights(weights, rows)
        rewards = finite("rewards", rewards, (rows,))
        gram, moment = np.zeros_like(self.gram), np.zeros_like(self.moment)
        # numpy sorts the shortest integers five times as fast
        by_arm = np.argsort(arms.astype(np.min_scalar_type(self.arms)), kind="stable")
        count = np.bincount(arms, minlength=self.arms)
        ends = np.cumsum(count)
        for arm in np.flatnonzero(count):
            for first in range(ends[arm] - count[arm], ends[arm], _ROWS_AT_ONCE):
                of_arm = by_arm[first : min(first + _ROWS_AT_ONCE, ends[arm])]
                x, r = contexts.take(of_arm, axis=0), rewards[of_arm]
                if weighted:
                    root = np.sqrt(weights[of_arm])
                    x, r = x * root[:, None], r * root
                gram[arm] += x.T @ x  # of one array with itself, BLAS computes half
                moment[arm] += x.T @ r
        squares = np.asarray(weights @ rewards**2)
        return self.merge(type(self)(gram, moment, count, np.asarray(weights.sum()), squares))


def row_weights(weights: Floats | None, rows: int) -> Floats:
    """The weights (n,) of rows, 1 where none are given. Raises InvalidInputError for a negative one."""
    if weights is None:
        return np.ones(rows)
    checked = finite("weights", weights, (rows,))
    negative = int(np.count_nonzero(checked < 0))
    if negative:
        raise InvalidInputError(f"weights has {negative} of {rows} values below 0")
    return checked
