"""Thompson sampling with Bayesian linear regressions (Agrawal and Goyal 2013)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Float32s, Floats, filled_up, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import TIE, LinearPolicy, LinearRegression
from nightslate.core.policies.statistics import LinearSums

# Wins are counted in bytes.
_DRAWS_AT_ONCE = 255
# No sum of products whose sizes add up to less leaves the range of float32, however it is rounded.
_LARGEST = float(np.finfo(np.float32).max) / 2


@dataclass(frozen=True, eq=False)
class LinearThompsonPolicy(LinearPolicy):
    """Draws from the posterior of the arms' coefficients (A, draws, d), which all users share."""

    coefficients: Floats

    by_arm: ClassVar[tuple[str, ...]] = ("mean", "coefficients")

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the share of draws in which the arm has the highest reward; ties share evenly."""
        contexts = self._checked(contexts)
        arms, draws, features = self.coefficients.shape
        single, largest, in_range = self._single
        # rounding of both factors, of their products and of their sum, for both scores that are compared
        rounding = 2 * (features + 2) * float(np.finfo(np.float32).eps)
        weights = np.empty((len(contexts), arms))
        for chunk in row_chunks(len(contexts), bytes_per_row=4 * arms * min(draws, _DRAWS_AT_ONCE)):
            sizes = np.abs(contexts[chunk]) @ largest
            wins = np.zeros((arms, len(sizes)))
            with np.errstate(over="ignore", invalid="ignore"):
                x = contexts[chunk].astype(np.float32)
                within = (rounding * sizes + np.finfo(np.float32).tiny).astype(np.float32)
                for first in range(0, draws, _DRAWS_AT_ONCE):
                    won = _winners(single[:, first : first + _DRAWS_AT_ONCE], x, within)
                    wins += np.add.reduce(won.view(np.uint8), axis=1, dtype=np.uint8)
            weights[chunk] = wins.T / draws
            # Where each draw has one winner even if float32 rounds against it, that is the winner. Beyond its
            # range all arms win a draw, or none does, and wins may be as many by chance.
            within_range = in_range & np.isfinite(x).all(axis=1) & (sizes < _LARGEST)
            close = np.flatnonzero(~within_range | (wins.sum(axis=0) != draws))
            weights[chunk.start + close] = self._shares(contexts[chunk.start + close], TIE * sizes[close])
        return weights

    def _shares(self, contexts: Floats, within: Floats) -> Floats:
        """(n, d) -> (n, A): the shares of draws where scores `within` (n,) of the highest are as high."""
        arms, draws, _ = self.coefficients.shape
        shares = np.empty((len(contexts), arms))
        for chunk in row_chunks(len(contexts), bytes_per_row=10 * arms * draws):
            # a row alone would be summed up in another order than one of several
            rows = filled_up(np.column_stack([contexts[chunk], within[chunk]]), 2)
            won = _winners(self.coefficients, rows[:, :-1], rows[:, -1])
            of_all = np.einsum("akn,kn->na", won, 1 / (draws * won.sum(axis=0)))
            shares[chunk] = of_all[: chunk.stop - chunk.start]
        return shares

    @cached_property
    def _single(self) -> tuple[Float32s, Floats, bool]:
        """The coefficients as float32; (d,) the largest of each feature; whether all are in its range."""
        with np.errstate(over="ignore"):
            single = self.coefficients.astype(np.float32)
        return single, np.abs(self.coefficients).max(axis=(0, 1)), bool(np.isfinite(single).all())


@dataclass(frozen=True)
class LinearThompson(LinearRegression):
    """Each arm's weight is the posterior probability that its reward is the highest, over joint draws of all
    coefficients.

    draws: posterior draws, which is the resolution of the weights.
    scale: multiplies posterior standard deviations; more explores more, 0 is greedy."""

    draws: int = 256
    scale: float = 1.0

    kind: ClassVar[str] = "linear_thompson"
    state_type: ClassVar[type[LinearSums]] = LinearSums
    policy_type: ClassVar[type[LinearThompsonPolicy]] = LinearThompsonPolicy

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < 1:
            raise InvalidInputError(f"draws must be at least 1, got {self.draws}")
        if not 0 <= self.scale < float("inf"):
            raise InvalidInputError(f"scale must be >= 0 and finite, got {self.scale}")

    def fit(self, state: LinearSums, arms: Arms, seed: int) -> LinearThompsonPolicy:
        """The posterior means, and the draws."""
        posterior = self.posterior(state, arms)
        draws = posterior.draws(arms.keys, seed, self.draws, self.scale)
        return LinearThompsonPolicy(arms.spread(posterior.mean), arms.spread(draws))


def _winners(
    coefficients: NDArray[np.floating[Any]],
    contexts: NDArray[np.floating[Any]],
    within: NDArray[np.floating[Any]],
) -> Bools:
    """(A, draws, n): whether an arm's score is `within` (n,) of the highest in its draw."""
    arms, draws, features = coefficients.shape
    scores = (coefficients.reshape(arms * draws, features) @ contexts.T).reshape(arms, draws, -1)
    return np.asarray(scores >= scores.max(axis=0) - within)
