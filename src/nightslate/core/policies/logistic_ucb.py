"""Upper confidence bounds on Bayesian logistic regressions (Filippi, Cappe, Garivier and Szepesvari 2010)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from nightslate.core.arrays import Floats
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_ucb import LinearUCB, LinearUCBPolicy, spread_roots
from nightslate.core.policies.logistic_posterior import LogisticRegression
from nightslate.core.policies.row_sample import RowSample


@dataclass(frozen=True, eq=False)
class LogisticUCBPolicy(LinearUCBPolicy):
    """Bounds and widths are those of the log-odds (Li, Lu and Zhou 2017, UCB-GLM); reward_max () is the
    reward of a success."""

    reward_max: Floats

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the mean reward at the mode of the posterior."""
        return np.asarray(self.reward_max * expit(super().expected_rewards(contexts)))


@dataclass(frozen=True)
class LogisticUCB(LogisticRegression):
    """Each arm's score is the upper bound of its log-odds, x . mean_a + alpha width_a, the width being their
    standard deviation by the Laplace approximation; weights are a softmax of the scores.

    alpha: widths above the mean.
    temperature: of the softmax, in mean widths of the context over all arms, as in `LinearUCB`."""

    alpha: float = 1.0
    temperature: float = 1.0

    kind: ClassVar[str] = "logistic_ucb"
    state_type: ClassVar[type[RowSample]] = RowSample
    policy_type: ClassVar[type[LogisticUCBPolicy]] = LogisticUCBPolicy

    def __post_init__(self) -> None:
        super().__post_init__()
        LinearUCB(alpha=self.alpha, temperature=self.temperature)  # what it refuses, this one does

    def fit(self, state: RowSample, arms: Arms, seed: int) -> LogisticUCBPolicy:  # noqa: ARG002
        """The mode of the posterior, and the widths; nothing is random."""
        posterior, reward_max = self.posterior(state, arms)
        return LogisticUCBPolicy(
            arms.spread(posterior.mean),
            spread_roots(posterior, arms),
            np.asarray(self.alpha),
            np.asarray(self.temperature),
            np.asarray(reward_max),
        )
