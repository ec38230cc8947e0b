"""Sufficient statistics that learners share."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums, finite, indices


@dataclass(frozen=True, eq=False)
class ArmSums(Sums):
    """Rows and total reward by arm: what learners need that ignore the context."""

    count: Ints
    reward: Floats

    @classmethod
    def zero(cls, n_arms: int) -> Self:
        """No rows yet."""
        return cls(np.zeros(n_arms, dtype=np.int64), np.zeros(n_arms))

    @property
    def arms(self) -> int:
        """The number of arms."""
        return len(self.count)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count.sum())

    def update(self, contexts: Floats, arms: Ints, rewards: Floats) -> Self:
        """These sums and n more rows."""
        arms = indices("arms", arms, (len(contexts),), self.arms)
        rewards = finite("rewards", rewards, (len(contexts),))
        count = np.bincount(arms, minlength=self.arms)
        reward = np.asarray(np.bincount(arms, weights=rewards, minlength=self.arms), dtype=np.float64)
        return self.merge(type(self)(count, reward))


@dataclass(frozen=True, eq=False)
class LinearSums(Sums):
    """Normal equations of a linear regression in each arm: X'X (A, d, d), X'r (A, d), rows (A,), sum of r**2
    ()."""

    gram: Floats
    moment: Floats
    count: Ints
    squares: Floats

    @classmethod
    def zero(cls, n_arms: int, n_features: int) -> Self:
        """No rows yet."""
        return cls(
            np.zeros((n_arms, n_features, n_features)),
            np.zeros((n_arms, n_features)),
            np.zeros(n_arms, dtype=np.int64),
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

    def update(self, contexts: Floats, arms: Ints, rewards: Floats) -> Self:
        """These sums and n more rows."""
        rows = len(contexts)
        contexts = finite("contexts", contexts, (rows, self.features))
        arms = indices("arms", arms, (rows,), self.arms)
        rewards = finite("rewards", rewards, (rows,))
        gram, moment = np.zeros_like(self.gram), np.zeros_like(self.moment)
        by_arm = np.argsort(arms, kind="stable")
        count = np.bincount(arms, minlength=self.arms)
        ends = np.cumsum(count)
        for arm in np.flatnonzero(count):
            of_arm = by_arm[ends[arm] - count[arm] : ends[arm]]
            gram[arm] = contexts[of_arm].T @ contexts[of_arm]
            moment[arm] = contexts[of_arm].T @ rewards[of_arm]
        return self.merge(type(self)(gram, moment, count, np.asarray(rewards @ rewards)))
