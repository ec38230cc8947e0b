"""The Bayesian linear regression behind linear Thompson sampling and linear UCB.

A reward is x . theta_a + noise. Arms learn from each other through a matrix M (d, k) that they share:

    theta_a = M z_a + delta_a,     z_a the features of arm a, delta_a its own part

with independent Gaussian priors of variance noise_variance / ridge on each number in M and delta; where a
feature of contexts and one of arms do not interact (`Arms.crossed`), the number in M is 0. The design of M is
the Kronecker product of z_a and x, so its normal equations are sums of z_a z_a' (x) X'X_a, and rows and
columns of them where numbers are 0: the sums of each arm (`LinearSums`) are all that any pooling needs. With
B_a = X'X_a + ridge I, and given M,

    theta_a ~ N(B_a^-1 (X'r_a + ridge M z_a), noise_variance B_a^-1),

and M itself has precision ridge I + sum of z_a z_a' (x) ridge X'X_a B_a^-1 (Li, Chu, Langford and Schapire
2010, algorithm 2; Lindley and Smith 1972)."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import ndtri

from nightslate.core.arrays import Bools, Floats, Keys, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, uniform
from nightslate.core.hashing import seed as named_key
from nightslate.core.policies.by_arm import ByArm
from nightslate.core.policies.learner import Arms, require_forgetting
from nightslate.core.policies.statistics import LinearSums

Pooling = Literal["disjoint", "shared", "hybrid"]

# Scores this close, relative to the sizes of what they sum, are the same number in another order: arms tie.
TIE = 1e-12

_WHAT_ARMS_SHARE = named_key("what arms share")


@dataclass(frozen=True, eq=False)
class LinearPolicy(ByArm):
    """What policies over linear regressions have in common: the posterior means (A, d) of the arms'
    coefficients."""

    mean: Floats

    by_arm: ClassVar[tuple[str, ...]] = ("mean",)

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the posterior mean reward."""
        return np.asarray(self._checked(contexts) @ self.mean.T)

    def _checked(self, contexts: Floats) -> Floats:
        return finite("contexts", contexts, (len(contexts), self.mean.shape[1]))


@dataclass(frozen=True)
class LinearPosterior:
    """theta_a = mean_a + sqrt(variance) (pull_a U z_a + own_a v_a), where U = shared u, and u (q,) and v_a
    (p,) are standard normal.

    mean (A, d), features z (A, k); matrix (k, d): the mean of M'; pull (A, d, d): how far each arm follows M;
    shared (k, d, q) and own (A, d, p): roots of the covariances of M and of the arms' own parts, in units of
    `variance`, that of the noise."""

    mean: Floats
    features: Floats
    matrix: Floats
    pull: Floats
    shared: Floats
    own: Floats
    variance: float

    @cached_property
    def root(self) -> Floats:
        """(A, d, d): a root of each arm's covariance, sqrt(variance) included."""
        roots = np.empty((*self.mean.shape, self.mean.shape[1]))
        for arm, features in enumerate(self.features):
            followed = self.pull[arm] @ np.tensordot(features, self.shared, 1)
            roots[arm] = np.asarray(np.linalg.qr(np.hstack([followed, self.own[arm]]).T, mode="r")).T
        return np.asarray(np.sqrt(self.variance) * roots)

    def draws(self, arm_keys: Keys, seed: int, draws: int, scale: float) -> Floats:
        """(A, draws, d): draws of all coefficients together, `scale` times as far from the mean.

        An arm's own part comes from the seed and its key, what is shared from the seed alone: neither
        changes with the other arms."""
        u = _normals(np.array([_WHAT_ARMS_SHARE]), seed, (draws, self.shared.shape[2]))[0]
        v = _normals(arm_keys, seed, (draws, self.own.shape[2]))
        moved = np.tensordot(self.features, self.shared @ u.T, 1)
        deviations = (self.pull @ moved).transpose(0, 2, 1) + v @ self.own.transpose(0, 2, 1)
        return np.asarray(self.mean[:, None, :] + scale * np.sqrt(self.variance) * deviations)


@dataclass(frozen=True)
class LinearRegression:
    """The settings of a linear learner, and its posterior.

    ridge: prior precision in rows, > 0.
    pooling: what arms share. `disjoint`: one vector m for all, the ridge fit of all rows together whatever
    their arm, taken as known: what a new arm starts from, and what an arm with few rows stays close to.
    `shared`: theta_a = M z_a, nothing of an arm's own (Filippi, Cappe, Garivier and Szepesvari 2010), so
    arms with equal features are one arm. `hybrid`: both (Li et al. 2010): an arm is what its features say
    until its own rows say otherwise. Only these two look at features of arms, and at what they interact with.
    noise_variance: variance of a reward around its mean; None estimates it from the residuals of all arms,
    which is 0 as long as no reward but 0 was seen: then all arms tie and the weights are uniform.
    forgetting: the weight of a row is this to the power of its age in days.
    Contexts should hold a constant 1 if rewards have a level."""

    ridge: float = 1.0
    pooling: Pooling = "disjoint"
    noise_variance: float | None = None
    forgetting: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.ridge < float("inf"):
            raise InvalidInputError(f"ridge must be > 0 and finite, got {self.ridge}")
        if self.pooling not in get_args(Pooling):
            raise InvalidInputError(f"pooling must be one of {get_args(Pooling)}, got {self.pooling!r}")
        if self.noise_variance is not None and not 0 < self.noise_variance < float("inf"):
            raise InvalidInputError(
                f"noise_variance must be > 0 and finite, or not given, got {self.noise_variance}"
            )
        require_forgetting(self.forgetting)

    def initial(self, n_arms: int, n_features: int) -> LinearSums:
        """No rows yet."""
        return LinearSums.zero(n_arms, n_features)

    def posterior(self, state: LinearSums, arms: Arms) -> LinearPosterior:
        """The posterior of every arm's coefficients, those of arms without rows included."""
        z, crossed = arms.checked_against(state).features, arms.interactions(state.features)
        eye = np.broadcast_to(np.eye(state.features), state.gram.shape)
        if self.pooling == "shared":
            m, shared = self._matrix(z, crossed, state.gram, state.moment)
            return self._with_noise(state, LinearPosterior(z @ m, z, m, eye, shared, eye[:, :, :0], 1.0))
        lower = np.linalg.cholesky(state.gram + self.ridge * eye)
        inverse = np.linalg.solve(lower, eye)
        own = inverse.transpose(0, 2, 1)
        pull = self.ridge * own @ inverse
        if self.pooling == "hybrid":
            m, shared = self._matrix(z, crossed, self.ridge * (eye - pull), _apply(pull, state.moment))
        else:
            z = np.ones((state.arms, 1))
            m, shared = self._matrix(z, np.ones_like(crossed[:, :1]), state.gram, state.moment)
            shared = shared[:, :, :0]
        mean = _apply(own, _apply(inverse, state.moment + self.ridge * (z @ m)))
        return self._with_noise(state, LinearPosterior(mean, z, m, pull, shared, own, 1.0))

    def _matrix(self, z: Floats, crossed: Bools, gram: Floats, moment: Floats) -> tuple[Floats, Floats]:
        """The mean of M' (k, d), and the root (k, d, q) of its covariance, where arms have these normal
        equations and q numbers of M are not 0."""
        arms, k = z.shape
        d = gram.shape[1]
        pairs = (z[:, :, None] * z[:, None, :]).reshape(arms, k * k)
        blocks = (pairs.T @ gram.reshape(arms, d * d)).reshape(k, k, d, d)
        kept = np.flatnonzero(crossed.T)
        eye = np.eye(kept.size)
        precision = blocks.transpose(0, 2, 1, 3).reshape(k * d, k * d)[np.ix_(kept, kept)] + self.ridge * eye
        root = np.zeros((k * d, kept.size))
        root[kept] = solve_triangular(np.linalg.cholesky(precision), eye, lower=True).T
        mean = root @ (root.T @ (z.T @ moment).ravel())
        return mean.reshape(k, d), root.reshape(k, d, kept.size)

    def _with_noise(self, state: LinearSums, of_noise_one: LinearPosterior) -> LinearPosterior:
        variance = self.noise_variance
        if variance is None:
            variance = _residual_variance(state, of_noise_one.mean, of_noise_one.root)
        return replace(of_noise_one, variance=variance)


def _residual_variance(state: LinearSums, mean: Floats, root: Floats) -> float:
    """Residual sum of squares over the degrees of freedom left: weights less the trace of X C X', C the
    covariance in units of the noise's."""
    fitted = 2 * (mean * state.moment).sum() - (mean * _apply(state.gram, mean)).sum()
    residual = max(0.0, float(state.squares - fitted))
    free = float(state.weight - (root * (state.gram @ root)).sum())
    return residual / free if min(residual, free) > 0 else 0.0


def _normals(keys: Keys, seed: int, shape: tuple[int, int]) -> Floats:
    """(len(keys), *shape) standard normals, each a function of its key, the seed and its place."""
    places = np.arange(shape[0] * shape[1], dtype=np.uint64)
    return np.asarray(
        ndtri(uniform(mix(mix(keys, seed)[:, None], places[None, :]))).reshape(len(keys), *shape)
    )


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """Each arm's matrix (A, d, d) times its vector (A, d)."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])
