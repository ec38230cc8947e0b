"""The Bayesian logistic regression behind logistic Thompson sampling and logistic UCB.

The log-odds of a reward are x . theta_a, with the arms' coefficients tied as in `linear_posterior`:

    theta_a = M z_a + delta_a,     M and delta_a with independent N(0, 1 / ridge) priors.

Their posterior is not Gaussian; the Laplace approximation takes the Gaussian with the same mode and
curvature (Chapelle and Li 2011). Newton's method finds the mode. Each of its steps is a linear regression in
which a row weighs w p (1 - p) (iteratively reweighted least squares; McCullagh and Nelder 1989), so it is
solved as one."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import LinearPosterior, LinearRegression, Pooling
from nightslate.core.policies.row_sample import Rows, RowSample, require_max_rows
from nightslate.core.policies.statistics import LinearSums

# Newton stops where the next step would move the mode by this many posterior standard deviations.
_TOLERANCE = 1e-6
_STEPS = 100
# A step must gain this share of what its slope promises, up to rounding of the objective.
_GAIN, _ROUNDING = 1e-4, 1e-12
_SIZES = 0.5 ** np.arange(40)


@dataclass(frozen=True)
class LogisticRegression:
    """The settings of a logistic learner, and its posterior.

    Rewards must not be negative. What is modelled is reward / largest reward (at least 1), a fraction in
    [0, 1], by the Bernoulli likelihood, which is right for its mean whatever its distribution (Papke and
    Wooldridge 1996).

    ridge: prior precision of each coefficient, > 0; it also makes the mode unique.
    pooling: what arms share. `shared`: theta_a = M z_a. `hybrid`: theta_a = M z_a + delta_a.  `disjoint`: the
    same with nothing known of an arm but that it is one, so M is a vector that a new arm starts from.
    max_rows: distinct rows that are fitted. Beyond them the posterior is that of a sample of this size: it is
    wider, as it must be for one who has not read the rest.
    forgetting: the weight of a row is this to the power of its age in days.
    Contexts should hold a constant 1."""

    ridge: float = 1.0
    pooling: Pooling = "disjoint"
    max_rows: int = 100_000
    forgetting: float = 1.0

    def __post_init__(self) -> None:
        # what a linear regression refuses, this one does
        LinearRegression(ridge=self.ridge, pooling=self.pooling, forgetting=self.forgetting)
        require_max_rows(self.max_rows)

    def initial(self, n_arms: int, n_features: int) -> RowSample:
        """No rows yet."""
        return RowSample.empty(n_arms, n_features, self.max_rows)

    def posterior(self, state: RowSample, arms: Arms) -> tuple[LinearPosterior, float]:
        """The Gaussian that stands for the posterior of every arm's coefficients, and the largest reward.
        Without rows it has no spread: nothing tells the arms apart yet. Raises InvalidInputError for negative
        rewards, or if contexts are of such sizes that Newton's steps lead nowhere."""
        rows = state.sample()
        ceiling = rows.ceiling()
        known = Arms.plain(arms.checked_against(state).keys) if self.pooling == "disjoint" else arms
        regression = LinearRegression(
            ridge=self.ridge, pooling="shared" if self.pooling == "shared" else "hybrid", noise_variance=1.0
        )
        mode = _mode(regression, known, _Likelihood(rows, ceiling, (state.arms, state.features)))
        return replace(mode, variance=float(rows.weights.size > 0)), ceiling


class _Likelihood:
    """Rows by arm, as the Bernoulli likelihood sees them."""

    def __init__(self, rows: Rows, ceiling: float, shape: tuple[int, int]) -> None:
        by_arm = np.argsort(rows.arms, kind="stable")
        self.shape = shape
        self.contexts = rows.contexts[by_arm]
        self.fractions = rows.rewards[by_arm] / ceiling
        self.weights = rows.weights[by_arm]
        self.count = np.bincount(rows.arms, minlength=shape[0])

    def at(self, theta: Floats) -> tuple[float, LinearSums]:
        """The log likelihood of theta (A, d), and the linear regression that has its slope and curvature
        there."""
        value, sums = 0.0, LinearSums.zero(*self.shape)
        ends = np.cumsum(self.count)
        for arm in np.flatnonzero(self.count):
            of_arm = slice(ends[arm] - self.count[arm], ends[arm])
            x, y, w = self.contexts[of_arm], self.fractions[of_arm], self.weights[of_arm]
            scores = x @ theta[arm]
            p = expit(scores)
            value += float(w @ (y * scores - np.logaddexp(0, scores)))
            weighted = x * np.sqrt(w * p * (1 - p))[:, None]
            sums.gram[arm] = weighted.T @ weighted
            sums.moment[arm] = sums.gram[arm] @ theta[arm] + x.T @ (w * (y - p))
        return value, sums


class _Prior:
    """What the prior says of M and delta, as a function of the coefficients that they make."""

    def __init__(self, regression: LinearRegression, arms: Arms, n_features: int) -> None:
        own = np.eye(len(arms.features))[:, : None if regression.pooling == "hybrid" else 0]
        self.ridge = regression.ridge
        # features of contexts that interact with the same features of arms have the same design
        patterns, pattern_of = np.unique(arms.interactions(n_features), axis=0, return_inverse=True)
        self.at = [np.flatnonzero(pattern_of.ravel() == number) for number in range(len(patterns))]
        self.inverses = [np.linalg.pinv(np.hstack([arms.features * pattern, own])) for pattern in patterns]

    def penalty(self, theta: Floats) -> float:
        """Minus the log density of the smallest M and delta that make theta (A, d), up to a constant."""
        parts = zip(self.at, self.inverses, strict=True)
        return self.ridge / 2 * sum(float(((inverse @ theta[:, at]) ** 2).sum()) for at, inverse in parts)


def _mode(regression: LinearRegression, arms: Arms, likelihood: _Likelihood) -> LinearPosterior:
    """The mode and the curvature there, by Newton's method with steps halved until they gain."""
    prior = _Prior(regression, arms, likelihood.shape[1])
    theta = np.zeros(likelihood.shape)
    (value, sums), penalty = likelihood.at(theta), 0.0
    for _ in range(_STEPS):
        step = regression.posterior(sums, arms)
        move = step.mean - theta
        curvature = np.einsum("ai,aij,aj->", move, sums.gram, move)
        distance = float(curvature + 2 * prior.penalty(move))
        if distance <= _TOLERANCE**2:
            return step
        for size in _SIZES:
            tried = theta + size * move
            (tried_value, sums) = likelihood.at(tried)
            tried_penalty = prior.penalty(tried)
            gain = (tried_value - tried_penalty) - (value - penalty)
            if gain >= _GAIN * size * distance - _ROUNDING * abs(value):
                break
        theta, value, penalty = tried, tried_value, tried_penalty
    raise InvalidInputError(
        f"after {_STEPS} steps the logistic fit still moves by {distance**0.5:.2g} posterior standard "
        "deviations: bring the context's features to sizes around 1, or raise ridge"
    )
