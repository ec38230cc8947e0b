"""Thompson sampling with a Bayesian linear regression in each arm (Agrawal and Goyal, 2013)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from nightslate.core.arrays import ArrayRecord, Floats, Ints, Keys, finite, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, uniform
from nightslate.core.policies.learner import key_array
from nightslate.core.policies.statistics import LinearSums

# Scores this close are the same number, summed in another order: the arms tie.
_TIE = 1e-12


@dataclass(frozen=True, eq=False)
class LinearThompsonPolicy(ArrayRecord):
    """Gaussian posteriors of the arms' coefficients: theta_a = mean_a + root_a z, z standard normal.

    mean (A, d), root (A, d, d), arm_keys (A,), seed () and draws (): all users share the draws of theta, and
    an arm's draws come from the seed and its own key, so they do not change with the other arms."""

    mean: Floats
    root: Floats
    arm_keys: Keys
    seed: Keys
    draws: Ints

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the share of draws in which the arm has the highest reward; ties share evenly."""
        contexts = finite("contexts", contexts, (len(contexts), self.mean.shape[1]))
        arms, draws, features = self.coefficients.shape
        flat = self.coefficients.reshape(arms * draws, features)
        weights = np.empty((len(contexts), arms))
        for chunk in row_chunks(len(contexts), bytes_per_row=8 * arms * draws):
            scores = (flat @ contexts[chunk].T).reshape(arms, draws, -1)
            best = scores.max(axis=0)
            wins = scores >= best - _TIE * np.abs(best)
            weights[chunk] = np.einsum("akn,kn->na", wins, 1 / (draws * wins.sum(axis=0)))
        return weights

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the posterior mean reward."""
        contexts = finite("contexts", contexts, (len(contexts), self.mean.shape[1]))
        return np.asarray(contexts @ self.mean.T)

    @cached_property
    def coefficients(self) -> Floats:
        """The draws of theta, (A, draws, d)."""
        arms, features = self.mean.shape
        draws = int(self.draws)
        keys = mix(
            mix(self.arm_keys, self.seed)[:, None], np.arange(draws * features, dtype=np.uint64)[None, :]
        )
        normals = ndtri(uniform(keys)).reshape(arms, draws, features)
        return np.asarray(self.mean[:, None, :] + normals @ self.root.transpose(0, 2, 1))


@dataclass(frozen=True)
class LinearThompson:
    """r = x . theta_a + noise, with theta_a ~ N(shared, noise_variance / ridge I) before its own rows.

    `shared` is the ridge fit of all rows together, whatever their arm: what a new arm starts from, and what
    an arm with few rows stays close to. Contexts should hold a constant 1 if rewards have a level.
    ridge: prior precision in rows, > 0.  draws: posterior draws, which is the resolution of the weights.
    scale: multiplies posterior standard deviations; more explores more, 0 is greedy.
    noise_variance: variance of a reward around its mean; None estimates it from the residuals of all arms,
    which is 0 as long as no reward but 0 was seen: then all arms tie and the weights are uniform."""

    ridge: float = 1.0
    draws: int = 256
    scale: float = 1.0
    noise_variance: float | None = None

    kind: ClassVar[str] = "linear_thompson"
    state_type: ClassVar[type[LinearSums]] = LinearSums
    policy_type: ClassVar[type[LinearThompsonPolicy]] = LinearThompsonPolicy

    def __post_init__(self) -> None:
        if not 0 < self.ridge < float("inf"):
            raise InvalidInputError(f"ridge must be > 0 and finite, got {self.ridge}")
        if self.draws < 1:
            raise InvalidInputError(f"draws must be at least 1, got {self.draws}")
        if not 0 <= self.scale < float("inf"):
            raise InvalidInputError(f"scale must be >= 0 and finite, got {self.scale}")
        if self.noise_variance is not None and not 0 < self.noise_variance < float("inf"):
            raise InvalidInputError(
                f"noise_variance must be > 0 and finite, or not given, got {self.noise_variance}"
            )

    def initial(self, n_arms: int, n_features: int) -> LinearSums:
        """No rows yet."""
        return LinearSums.zero(n_arms, n_features)

    def fit(self, state: LinearSums, arm_keys: Sequence[int], seed: int) -> LinearThompsonPolicy:
        """The posterior of each arm: precision B = X'X + ridge I, mean B^-1 (X'r + ridge shared), covariance
        noise_variance scale^2 B^-1."""
        penalty = self.ridge * np.eye(state.features)
        shared = np.linalg.solve(state.gram.sum(axis=0) + penalty, state.moment.sum(axis=0))
        lower = np.linalg.cholesky(state.gram + penalty)
        inverse = np.linalg.solve(lower, np.broadcast_to(np.eye(state.features), lower.shape))
        root = inverse.transpose(0, 2, 1)
        mean = _apply(root, _apply(inverse, state.moment + self.ridge * shared))
        variance = self.noise_variance
        if variance is None:
            variance = _residual_variance(state, mean, self.ridge * float((inverse**2).sum()))
        return LinearThompsonPolicy(
            mean=mean,
            root=self.scale * np.sqrt(variance) * root,
            arm_keys=key_array(arm_keys, state),
            seed=np.asarray(seed, dtype=np.uint64),
            draws=np.asarray(self.draws),
        )


def _residual_variance(state: LinearSums, mean: Floats, shrunk: float) -> float:
    """Residual sum of squares over the degrees of freedom left: rows less the trace of B^-1 X'X, which is d
    for each arm less `shrunk`, ridge times the trace of B^-1."""
    fitted = 2 * (mean * state.moment).sum() - (mean * _apply(state.gram, mean)).sum()
    residual = max(0.0, float(state.squares - fitted))
    free = state.rows - (mean.size - shrunk)
    return residual / free if min(residual, free) > 0 else 0.0


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """Each arm's matrix (A, d, d) times its vector (A, d)."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])
