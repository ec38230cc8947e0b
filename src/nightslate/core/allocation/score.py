"""The score that allocation goes by, and whether predicted effects are those that come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import stdtrit

from nightslate.core.arrays import Floats, Ints, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.experiments.moments import Moments

_PREDICTED, _EFFECT, _WEIGHT = range(3)


def contextual_score(
    benefit: Floats, benefit_se: Floats, harm: Floats, harm_se: Floats, weight: float, caution: float
) -> tuple[Floats, Floats]:
    """The risk/reward score of treatments, of any one shape, and its standard error,

        benefit - weight harm - caution se,   se = sqrt(benefit_se**2 + weight**2 harm_se**2),

    with errors of benefit and harm that are independent; in the units of the benefit. The score is NaN where
    one of the four is missing (NaN)."""
    se = np.hypot(benefit_se, weight * harm_se)
    return benefit - weight * harm - caution * se, se


@dataclass(frozen=True, eq=False)
class BinsOfEffects:
    """Of B bins of predicted effects, each (B,): how many users; the weighted means of what was predicted and
    of the doubly robust scores of the effect; the bounds of the latter, NaN of a bin of fewer than two users
    or in which none differs."""

    users: Ints
    predicted: Floats
    effect: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class EffectCalibration:
    """Sums over users, each once, by the bin of the predicted effect; they merge.

    edges (B - 1,): ascending; a bin reaches from the edge below to just under the one above. users: of cells
    (B,), of each user's predicted effect times the weight, the doubly robust score times the weight, the
    weight."""

    edges: Floats
    users: Moments

    @classmethod
    def initial(cls, edges: Floats) -> Self:
        """Of no users, by edges that were fixed before, such as `equal_edges` of an earlier night."""
        return cls(edges, Moments.initial((len(edges) + 1,), 3))

    def update(self, predicted: Floats, effect: Floats, weights: Floats) -> Self:
        """With n users more, all (n,): effect, doubly robust scores whose expectation is the user's effect.
        Raises InvalidInputError for values that are not finite and weights below 0."""
        predicted = finite("predicted", predicted, predicted.shape)
        weights = finite("weights", weights, predicted.shape)
        if (weights < 0).any():
            raise InvalidInputError(f"weights have {np.sum(weights < 0)} of {weights.size} values below 0")
        bins = np.searchsorted(self.edges, predicted, side="right")
        values = np.column_stack([weights * predicted, weights * effect, weights])
        return replace(self, users=self.users.update(bins, values))

    def merge(self, other: Self) -> Self:
        """Of the users of both. Raises InvalidInputError for other bins."""
        if not np.array_equal(self.edges, other.edges):
            raise InvalidInputError(f"bins of edges {self.edges} and {other.edges} can't be merged")
        return replace(self, users=self.users.merge(other.users))

    def bins(self, confidence: float) -> BinsOfEffects:
        """Means with intervals, by the delta method for the ratio of two sums and Student's t."""
        n, users = self.users.n, self.users
        with np.errstate(divide="ignore", invalid="ignore"):
            predicted, effect = (
                users.mean[:, column] / users.mean[:, _WEIGHT] for column in (_PREDICTED, _EFFECT)
            )
            factors = np.column_stack([np.zeros(len(n)), np.ones(len(n)), -np.nan_to_num(effect)])
            squares = np.where(n > 1, users.squares(factors), 0.0)
            variance = squares / ((n - 1.0) * n * users.mean[:, _WEIGHT] ** 2)
        stderr = np.sqrt(np.where(squares > 0, variance, np.nan))
        reach = stdtrit(np.maximum(n - 1, 1), (1 + confidence) / 2) * stderr
        return BinsOfEffects(n, predicted, effect, effect - reach, effect + reach)


def calibration(predicted: Floats, effect: Floats, weights: Floats, bins: int) -> EffectCalibration:
    """The same of users who are all at hand (n,), by bins of as many users each, fewer where predictions have
    fewer values."""
    return EffectCalibration.initial(equal_edges(predicted, bins)).update(predicted, effect, weights)


def equal_edges(predicted: Floats, bins: int) -> Floats:
    """(B - 1,) the edges of up to so many bins of equal size among predictions (n,), which may be a sample.
    Raises InvalidInputError without a bin."""
    if bins < 1:
        raise InvalidInputError(f"effects are looked at in one bin or more, got {bins}")
    if not predicted.size:
        return np.empty(0)
    ordered = np.sort(predicted)
    edges = np.unique(ordered[np.arange(1, bins) * ordered.size // bins])
    return np.asarray(edges[edges > ordered[0]])
