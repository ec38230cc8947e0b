"""Thompson sampling with Bayesian logistic regressions (Chapelle and Li 2011)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from nightslate.core.arrays import Floats
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_thompson import LinearThompson, LinearThompsonPolicy
from nightslate.core.policies.logistic_posterior import LogisticRegression
from nightslate.core.policies.row_sample import RowSample


@dataclass(frozen=True, eq=False)
class LogisticThompsonPolicy(LinearThompsonPolicy):
    """As with linear rewards, for what grows with the log-odds is highest where they are; reward_max () is
    the reward of a success."""

    reward_max: Floats

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the mean reward at the mode of the posterior."""
        return np.asarray(self.reward_max * expit(super().expected_rewards(contexts)))


@dataclass(frozen=True)
class LogisticThompson(LogisticRegression):
    """Each arm's weight is the posterior probability that its reward is the highest, over joint draws of all
    coefficients from the Laplace approximation.

    draws: posterior draws, which is the resolution of the weights.
    scale: multiplies posterior standard deviations; more explores more, 0 is greedy."""

    draws: int = 256
    scale: float = 1.0

    kind: ClassVar[str] = "logistic_thompson"
    state_type: ClassVar[type[RowSample]] = RowSample
    policy_type: ClassVar[type[LogisticThompsonPolicy]] = LogisticThompsonPolicy

    def __post_init__(self) -> None:
        super().__post_init__()
        LinearThompson(draws=self.draws, scale=self.scale)  # what it refuses, this one does

    def fit(self, state: RowSample, arms: Arms, seed: int) -> LogisticThompsonPolicy:
        """The mode of the posterior, and the draws."""
        posterior, reward_max = self.posterior(state, arms)
        draws = posterior.draws(arms.keys, seed, self.draws, self.scale)
        return LogisticThompsonPolicy(arms.spread(posterior.mean), arms.spread(draws), np.asarray(reward_max))
