"""How likely each arm is the best one, over users."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums
from nightslate.core.insights.regression import Regression
from nightslate.core.policies.linear_thompson import LinearThompsonPolicy

_DRAWS = 256


def posterior_policy(regression: Regression, seed: int) -> LinearThompsonPolicy:
    """Whose weights are the probabilities that arms are the best, by what is known: of draws as far from the
    mean as the posterior says, however the learner explores."""
    arms, posterior = regression.arms, regression.posterior
    draws = posterior.draws(arms.keys, seed, _DRAWS, scale=1.0)
    return LinearThompsonPolicy(arms.spread(posterior.mean), arms.spread(draws))


@dataclass(frozen=True, eq=False)
class BestShares(Sums):
    """Sums over users: of probabilities (A,), of 1 for who can get an arm (A,), and of 1 ()."""

    probability: Floats
    reached: Ints
    users: Ints

    @classmethod
    def zero(cls, arms: int) -> Self:
        """Nobody."""
        return cls(np.zeros(arms), np.zeros(arms, dtype=np.int64), np.zeros((), dtype=np.int64))

    def update(self, places: Ints, probabilities: Floats) -> Self:
        """These and n more users, who can get the arms of these places (m,): the probability (n, m) that each
        is the best of them."""
        users = np.asarray(len(probabilities))
        found = type(self)(np.zeros_like(self.probability), np.zeros_like(self.reached), users)
        found.probability[places] = probabilities.sum(axis=0)
        found.reached[places] = users
        return self.merge(found)
