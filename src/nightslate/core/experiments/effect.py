"""The effect of a variant against the control: what it is, and what it could be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from scipy.special import stdtr, stdtrit

from nightslate.core.experiments.metric import Value, adjusted_values, change_of, value_of
from nightslate.core.experiments.moments import Moments
from nightslate.core.experiments.sequential import LEAST, LEAST_EFFECTIVE, log_e_value, reach

POWER = 0.8
"""That of the minimum detectable effect."""


@dataclass(frozen=True)
class Difference:
    """A metric of the treatment less that of the control, in the unit of the metric.

    stderr, lower, upper and p: as of one look at a time that was fixed before (Welch, 1947), with `freedom`
    degrees of freedom; None where a variant has fewer than two users or nothing varies in it. anytime_lower,
    anytime_upper and log_e, the logarithm of the e-value: whenever one looks, see `sequential`; None before
    there are enough users. mde: the least effect that such a look finds four times out of five."""

    effect: float | None
    stderr: float | None = None
    freedom: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    anytime_lower: float | None = None
    anytime_upper: float | None = None
    log_e: float | None = None
    mde: float | None = None

    @property
    def mirrored(self) -> Self:
        """The control less the treatment."""
        return replace(
            self,
            effect=_negative(self.effect),
            lower=_negative(self.upper),
            upper=_negative(self.lower),
            anytime_lower=_negative(self.anytime_upper),
            anytime_upper=_negative(self.anytime_lower),
        )


@dataclass(frozen=True)
class Relative:
    """The effect as a share of the control's metric; the ends by Fieller (1954), which exclude 0 just where
    those of the difference do. None where the control's metric could be 0: then any share is possible."""

    effect: float | None
    lower: float | None = None
    upper: float | None = None
    anytime_lower: float | None = None
    anytime_upper: float | None = None


@dataclass(frozen=True)
class Level:
    """A figure of one variant, by n users, with its standard error, and the interval of every look, which is
    None while there are too few users."""

    n: int
    value: float | None
    stderr: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Effect:
    """Of a variant: its users, its metric, the difference to the control, the same relative to the control's
    metric, and the difference with covariates (see `metric`), if there are any."""

    n: int
    mean: float | None
    difference: Difference
    relative: Relative
    cuped: Difference | None

    @classmethod
    def of_control(cls, users: Moments) -> Self:
        """Of the control, which has no difference to itself."""
        value = value_of(users)
        return cls(value.n, value.value, Difference(None), Relative(None), None)

    @property
    def most_precise(self) -> Difference:
        """With covariates, if there are any."""
        return self.difference if self.cuped is None else self.cuped


def effect(
    control: Moments, treatment: Moments, confidence: float, unweighted: Moments | None = None
) -> Effect:
    """The effect of one cell against another; columns of the moments as in `metric.value_of`. unweighted: the
    users of both cells together without their weights, if they have any."""
    of_control, of_treatment = value_of(control), value_of(treatment)
    found = difference(of_control, of_treatment, confidence)
    cuped = None
    if control.mean.size > 2:
        fitted_to = control.merge(treatment) if unweighted is None else unweighted
        cuped = difference(*adjusted_values(control, treatment, fitted_to), confidence)
    return Effect(
        of_treatment.n,
        of_treatment.value,
        found,
        _relative(of_control, of_treatment, found, confidence),
        cuped,
    )


def change(control: Moments, treatment: Moments, confidence: float) -> Effect:
    """By how much the effect on a ratio is another than that on the ratio whose columns follow, both of the
    same users. What changes in both variants alike is no change of the effect."""
    of_control, of_treatment = change_of(control), change_of(treatment)
    found = difference(of_control, of_treatment, confidence)
    return Effect(of_treatment.n, of_treatment.value, found, Relative(None), None)


def level(found: Value, confidence: float) -> Level:
    """What is known of a figure of one variant alone."""
    if found.value is None or found.variance is None:
        return Level(found.n, found.value)
    stderr = math.sqrt(found.variance)
    if not _enough(found.n, found.effective):
        return Level(found.n, found.value, stderr)
    reaches = reach(found.n, 1 - confidence) * stderr
    return Level(found.n, found.value, stderr, found.value - reaches, found.value + reaches)


def difference(control: Value, treatment: Value, confidence: float) -> Difference:
    """Treatment less control."""
    if control.value is None or treatment.value is None:
        return Difference(None)
    value, n = treatment.value - control.value, [control.n, treatment.n]
    if control.variance is None or treatment.variance is None:
        return Difference(value)
    return difference_of(
        value,
        control.variance + treatment.variance,
        welch_freedom([control.variance, treatment.variance], n),
        n,
        [control.effective, treatment.effective],
        confidence,
    )


def difference_of(
    value: float,
    variance: float,
    freedom: float,
    n: Sequence[int],
    effective: Sequence[float],
    confidence: float,
) -> Difference:
    """A difference of which the variance is known, with so many degrees of freedom; n and effective: of the
    control and of the treatment, see `Value`."""
    stderr = math.sqrt(variance)
    quantile = float(stdtrit(freedom, (1 + confidence) / 2))
    enough = all(_enough(*each) for each in zip(n, effective, strict=True))
    anytime = reach(sum(n), 1 - confidence) * stderr
    return Difference(
        value,
        stderr,
        freedom,
        lower=value - quantile * stderr,
        upper=value + quantile * stderr,
        p=float(2 * stdtr(freedom, -abs(value) / stderr)),
        anytime_lower=value - anytime if enough else None,
        anytime_upper=value + anytime if enough else None,
        log_e=log_e_value(value / stderr, sum(n)) if enough else None,
        mde=(quantile + float(stdtrit(freedom, POWER))) * stderr,
    )


def welch_freedom(variances: Sequence[float], n: Sequence[int]) -> float:
    """The degrees of freedom of a sum of variances, each of so many users (Welch, 1947)."""
    parts = sum(variance**2 / (users - 1) for variance, users in zip(variances, n, strict=True))
    return sum(variances) ** 2 / parts


def _enough(n: int, effective: float) -> bool:
    return n >= LEAST and effective >= LEAST_EFFECTIVE


def _relative(control: Value, treatment: Value, difference: Difference, confidence: float) -> Relative:
    if not control.value or treatment.value is None:
        return Relative(None)
    relative = treatment.value / control.value - 1
    if difference.freedom is None:
        return Relative(relative)
    lower, upper = _fieller(control, treatment, float(stdtrit(difference.freedom, (1 + confidence) / 2)))
    if difference.log_e is None:
        return Relative(relative, lower, upper)
    at_every_look = _fieller(control, treatment, reach(control.n + treatment.n, 1 - confidence))
    return Relative(relative, lower, upper, *at_every_look)


def _fieller(control: Value, treatment: Value, reach: float) -> tuple[float | None, float | None]:
    """The r of which treatment - (1 + r) control is no more than so many standard errors from 0."""
    c, t, of_c, of_t = control.value, treatment.value, control.variance, treatment.variance
    if c is None or t is None or of_c is None or of_t is None:
        return None, None
    leading = c**2 - reach**2 * of_c
    if leading <= 0:
        return None, None
    root = math.sqrt(max((t * c) ** 2 - leading * (t**2 - reach**2 * of_t), 0.0))
    return (t * c - root) / leading - 1, (t * c + root) / leading - 1


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
