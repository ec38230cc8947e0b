"""A linear or logistic learner's posterior, as insights look at it."""

from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from scipy.special import expit

from nightslate.core.arrays import Floats, Ints
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import LinearPosterior
from nightslate.core.policies.linear_thompson import LinearThompson
from nightslate.core.policies.linear_ucb import LinearUCB
from nightslate.core.policies.logistic_posterior import LogisticRegression
from nightslate.core.policies.logistic_thompson import LogisticThompson
from nightslate.core.policies.logistic_ucb import LogisticUCB

AnyRegression = LinearThompson | LinearUCB | LogisticThompson | LogisticUCB


@dataclass(frozen=True, eq=False)
class Regression:
    """The posterior of the arms' coefficients. reward_max: what a success is worth where the scale is that of
    log-odds; None where it is that of rewards."""

    arms: Arms
    posterior: LinearPosterior
    reward_max: float | None

    def expected(self, contexts: Floats, arms: Ints, features: Floats | None = None) -> Floats:
        """(n,) the mean reward of contexts (n, d), each with an arm, by place (n,). features (n, k): of which
        other features each arm is thought to be; None: of its own."""
        seen = contexts if self.arms.beside is None else self.arms.beside(contexts, arms)
        coefficients = self.posterior.mean[arms]
        if features is not None:
            coefficients = coefficients + (features - self.posterior.features[arms]) @ self.posterior.matrix
        scores = np.einsum("nd,nd->n", seen, coefficients)
        return scores if self.reward_max is None else np.asarray(self.reward_max * expit(scores))


def is_regression(learner: object) -> TypeGuard[AnyRegression]:
    """Whether a learner has coefficients."""
    return isinstance(learner, AnyRegression)


def fitted_regression(learner: AnyRegression, state: Any, arms: Arms) -> Regression:
    """What a learner in this state knows: of its policy the means are the same."""
    if isinstance(learner, LogisticRegression):
        return Regression(arms, *learner.posterior(state, arms))
    return Regression(arms, learner.posterior(state, arms), None)
