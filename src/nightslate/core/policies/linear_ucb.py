"""Upper confidence bounds on Bayesian linear regressions (Li, Chu, Langford and Schapire 2010)."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from nightslate.core.arrays import Floats, in_equal_blocks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import (
    TIE,
    LinearPolicy,
    LinearPosterior,
    LinearRegression,
)
from nightslate.core.policies.statistics import LinearSums


@dataclass(frozen=True, eq=False)
class LinearUCBPolicy(LinearPolicy):
    """Posterior means (A, d) of the arms' coefficients, roots of their covariances (A, d, k), alpha (),
    temperature (). k is d, or less where each arm has coefficients for a part of the context alone."""

    root: Floats
    alpha: Floats
    temperature: Floats

    by_arm: ClassVar[tuple[str, ...]] = ("mean", "root")

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the softmax of the bounds x . mean_a + alpha width_a, in units of `temperature`
        times the context's mean width; where that is 0, the highest bounds share evenly."""
        arms, features, _ = self.root.shape
        return in_equal_blocks(self._weights, self._checked(contexts), 16 * arms * features)

    def _weights(self, contexts: Floats) -> Floats:
        widths = self._widths(contexts)
        bounds = contexts @ self.mean.T + self.alpha * widths
        below = bounds.max(axis=1, keepdims=True) - bounds
        below[below <= TIE * (np.abs(contexts) @ np.abs(self.mean).max(axis=0))[:, None]] = 0
        unit = self.temperature * widths.mean(axis=1, keepdims=True)
        with np.errstate(divide="ignore", over="ignore"):
            odds = np.exp(-np.divide(below, unit, out=np.zeros_like(below), where=below > 0))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def _widths(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the posterior standard deviation of each arm's mean reward."""
        arms, _, k = self.root.shape
        parts = (contexts @ self._columns).reshape(-1, arms, k)
        return np.asarray(np.sqrt(np.einsum("nad,nad->na", parts, parts)))

    @cached_property
    def _columns(self) -> Floats:
        """(d, A k): the roots beside each other."""
        arms, features, k = self.root.shape
        return self.root.transpose(1, 0, 2).reshape(features, arms * k)


@dataclass(frozen=True)
class LinearUCB(LinearRegression):
    """Each arm's score is the upper bound of its expected reward, x . mean_a + alpha width_a, the width being
    its posterior standard deviation; weights are a softmax of the scores.

    alpha: widths above the mean. The noise's standard deviation is part of a width, so alpha is free of the
    unit of rewards: Li et al.'s is this one times that deviation.
    temperature: of the softmax, in mean widths of the context over all arms. Scores that lie closer than what
    is known of them get similar weights; as rows come in, widths shrink and the weights turn to the best
    arm, which no temperature fixed in units of reward does (Cesa-Bianchi, Gentile, Lugosi and Neu 2017).
    0 puts all weight on the highest score."""

    alpha: float = 1.0
    temperature: float = 1.0

    kind: ClassVar[str] = "linear_ucb"
    state_type: ClassVar[type[LinearSums]] = LinearSums
    policy_type: ClassVar[type[LinearUCBPolicy]] = LinearUCBPolicy

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("alpha", self.alpha), ("temperature", self.temperature)):
            if not 0 <= value < float("inf"):
                raise InvalidInputError(f"{name} must be >= 0 and finite, got {value}")

    def fit(self, state: LinearSums, arms: Arms, seed: int) -> LinearUCBPolicy:  # noqa: ARG002
        """The posterior means and widths; nothing is random."""
        posterior = self.posterior(state, arms)
        return LinearUCBPolicy(
            arms.spread(posterior.mean),
            spread_roots(posterior, arms),
            np.asarray(self.alpha),
            np.asarray(self.temperature),
        )


def spread_roots(posterior: LinearPosterior, arms: Arms) -> Floats:
    """(A, d, k): the roots of the arms' covariances, for whole contexts."""
    return np.ascontiguousarray(arms.spread(posterior.root.transpose(0, 2, 1)).transpose(0, 2, 1))
