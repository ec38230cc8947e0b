"""The effect of a variant while shares move, its days weighted by how much each tells of it.

Of a user of day t with probability e of the own variant w the augmented score of a sum is

    m[t, w] + (y - m[t, w]) / e   for w,   m[t, v]   for each other variant v,

with m[t, v] the mean of variant v's users before day t (of day t, where there were none): its expectation is
the mean of all users of the day under v, whatever the probabilities. Averaged evenly over users, days on
which a variant had next to no users (1 % after a ramp went back) make the average as noisy as they are, and
where shares follow what was seen before, it is not even normal. So days are weighted by

    h[t] = (the mean of 1 / e[w] + 1 / e[control] over the day's users) ** -0.5,

which steadies the variance (Hadad, Hirshberg, Zhan, Wager and Athey, 2021, sections 2 and 4; of contexts:
Zhan, Hadad, Hirshberg and Athey, 2021). Both variants have the same weights of days, so that a busy day or a
sale moves both: what is estimated is the mean of the days' effects, each counted users times h."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums
from nightslate.core.experiments.effect import Difference, difference_of, welch_freedom
from nightslate.core.experiments.moments import Moments

_METRIC, _ONE = slice(0, 2), 2


@dataclass(frozen=True, eq=False)
class DailyShares(Sums):
    """Of T days, in their order, and k variants: n (T,) users of each day; inverse (T, k) the sums over them,
    of whichever variant they are, of 1 / probability of each variant, infinite where one could not be."""

    n: Ints
    inverse: Floats

    @classmethod
    def of(cls, day: Ints, probabilities: Floats, days: int) -> Self:
        """Of users' days (u,) in 0..days - 1, and their probabilities (u, k) of all variants."""
        with np.errstate(divide="ignore"):
            inverse = [np.bincount(day, column, days) for column in (1 / probabilities).T]
        return cls(np.bincount(day, minlength=days), np.stack(inverse, axis=1))

    def weights(self, control: int, treatment: int) -> Floats:
        """(T,) those of the users of each day; 0 where there is nobody, or one of both could not be."""
        both = self.inverse[:, control] + self.inverse[:, treatment]
        there = (self.n > 0) & np.isfinite(both)
        return np.sqrt(np.divide(self.n, both, out=np.zeros(len(both)), where=there))


def adaptive_difference(
    users: Moments, shares: DailyShares, control: int, treatment: int, confidence: float
) -> Difference:
    """The treatment less the control, days weighted as above. users: of cells (T, k), of the users of each
    day and variant the numerator and the denominator of the metric and 1, each divided by the probability of
    the own variant. A ratio of two sums by the delta method. Without an effect where a variant has nobody."""
    h = shares.weights(control, treatment)
    arms = [_Arm.of(users, shares.n, h, variant) for variant in (control, treatment)]
    if not all(np.isfinite(arm.value) for arm in arms):
        return Difference(None)
    value, total = arms[1].value - arms[0].value, float(h @ shares.n)
    own = [float(h**2 @ arm.squares) / total**2 for arm in arms]
    n = [int(users.n[h > 0, variant].sum()) for variant in (control, treatment)]
    if not all(arm.varies for arm in arms):
        return Difference(value)
    off = arms[1].constant - arms[0].constant
    of_days = shares.n * off**2 + 2 * off * (arms[1].sums - arms[0].sums)
    return difference_of(
        value,
        sum(own) + float(h**2 @ of_days) / total**2,
        welch_freedom(own, n),
        n,
        [arm.effective for arm in arms],
        confidence,
    )


@dataclass(frozen=True, eq=False)
class _Arm:
    """A variant's metric, and its users' scores about it, linear in what they are made of: the same constant
    (T,) for every user of a day, and on top of it of its own users sums (T,) and squares (T,) in sum. varies:
    whether users of a day differ in it at all."""

    value: float
    constant: Floats
    sums: Floats
    squares: Floats
    varies: bool
    effective: float

    @classmethod
    def of(cls, users: Moments, n: Ints, h: Floats, variant: int) -> Self:
        """Of a place among the variants; h (T,) the weights of the users of each day, of whom there are n."""
        mine = users.at(variant, axis=1)
        sums = mine.n[:, None] * mine.mean
        expected = _expected(sums)
        scores = n[:, None] * expected + sums[:, _METRIC] - expected * sums[:, _ONE, None]
        numerator, denominator = h @ scores
        if not mine.n[h > 0].any() or not denominator:
            nothing = np.zeros(len(n))
            return cls(np.nan, nothing, nothing, nothing, False, 0.0)
        ratio, mean = numerator / denominator, denominator / (h @ n)
        linear = (expected[:, 0] - ratio * expected[:, 1]) / mean
        factors = np.stack([np.full(len(n), 1 / mean), np.full(len(n), -ratio / mean), -linear], axis=1)
        of_own, within = (factors * sums).sum(axis=1), mine.squares(factors)
        return cls(
            value=float(ratio),
            constant=linear,
            sums=of_own,
            squares=within + of_own**2 / np.maximum(mine.n, 1),
            varies=bool(within[h > 0].any()),
            effective=_effective(h, mine),
        )


def _expected(sums: Floats) -> Floats:
    """(T, 2) the means of the metric's parts before each day, of sums (T, 3)."""
    so_far = sums.cumsum(axis=0)
    before = so_far - sums
    known = np.where(before[:, [_ONE]] > 0, before, np.where(sums[:, [_ONE]] > 0, sums, so_far[-1]))
    return np.divide(
        known[:, _METRIC], known[:, [_ONE]], out=np.zeros((len(sums), 2)), where=known[:, [_ONE]] > 0
    )


def _effective(h: Floats, users: Moments) -> float:
    """How many users make the numerator, those of a day weighted by h (Kish, 1965)."""
    squares = h**2 @ (users.products[:, 0, 0] + users.n * users.mean[:, 0] ** 2)
    return float((h @ (users.n * users.size[:, 0])) ** 2 / squares) if squares > 0 else 0.0
