"""What a metric is, of one variant: a ratio of two sums over users, as precise as users tell.

A mean per user is a ratio whose denominator is 1 for each; weights by 1 / probability multiply both (Hájek,
1971), and leave the ratio as it is where all users of a variant had the same one. The variance is that of the
delta method (Deng, Knoblich and Lu, 2018): a user's rows are one observation, however many they are.

Covariates are ratios of the same kind, of what was known before the experiment. What they predict of the
metric is taken off (CUPED: Deng, Xu, Kohavi and Walker, 2013), with one slope for both variants, fitted to
their users together. Under weights this is the augmented estimator with that linear model (Robins, Rotnitzky
and Zhao, 1994): right whatever the model, and the more precise the better it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.experiments.moments import Moments

FEWEST = 2
"""Users of whom there is a variance."""


@dataclass(frozen=True)
class Value:
    """A metric of one variant. n: users; effective: how many of them make its numerator, see
    `Moments.effective`; value: None where the denominators are 0 in sum; variance: that of
    the value, None with fewer than two users and where nothing varies, which is no certainty."""

    n: int
    effective: float
    value: float | None
    variance: float | None


def value_of(users: Moments) -> Value:
    """The metric of one cell. Columns of the moments: numerator and denominator of the metric, then those of
    each covariate in turn, which are not looked at."""
    return _value(users, np.zeros(_covariates(users)), np.zeros(_covariates(users)))


def change_of(users: Moments) -> Value:
    """The first ratio of one cell less the second, whose columns follow those of the first. It is as
    effective as the less effective of both."""
    change = _value(users, np.ones(1), np.zeros(1))
    return replace(change, effective=float(users.effective[[0, 2]].min()))


def adjusted_values(control: Moments, treatment: Moments, fitted_to: Moments) -> tuple[Value, Value]:
    """The metrics of two cells less what the covariates predict of each, see `value_of`. fitted_to: the users
    of both without weights, of whom the slopes are known best."""
    slopes, both = _slopes(fitted_to), control.merge(treatment)
    expected = np.array(
        [_ratio(both, covariate) for covariate in range(1, 1 + slopes.size)], dtype=np.float64
    )
    return _value(control, slopes, expected), _value(treatment, slopes, expected)


def _value(users: Moments, slopes: Floats, expected: Floats) -> Value:
    """The ratio of the metric, less slopes (J,) times what the covariates' ratios are over those that are
    expected (J,)."""
    ratios = np.array([_ratio(users, pair) for pair in range(1 + slopes.size)])
    factors = np.concatenate([[1.0], -slopes])
    used = factors != 0
    n, effective = int(users.n), float(users.effective[0])
    if not np.isfinite(ratios[used]).all():
        return Value(n, effective, None, None)
    value = float(ratios[0] - slopes @ np.where(used[1:], ratios[1:] - expected, 0.0))
    if n < FEWEST:
        return Value(n, effective, value, None)
    gradient = factors[used] @ _gradients(users)[used]
    variance = float(users.squares(gradient)) / (n - 1)
    return Value(n, effective, value, variance / n if variance else None)


def _slopes(users: Moments) -> Floats:
    """(J,) those of the covariates in a linear model of the metric, all of them as the delta method makes
    them linear; 0 where the users tell of none."""
    covariates = _covariates(users)
    usable = [pair for pair in range(1 + covariates) if math.isfinite(_ratio(users, pair))]
    slopes = np.zeros(covariates)
    if users.n < FEWEST or 0 not in usable or len(usable) < 2:
        return slopes
    gradients = _gradients(users)[usable]
    linear = gradients @ users.covariance @ gradients.T
    scale = np.sqrt(np.diag(linear)[1:])
    scale[scale == 0] = 1.0
    fitted = np.linalg.lstsq(linear[1:, 1:] / np.outer(scale, scale), linear[1:, 0] / scale, rcond=1e-10)[0]
    slopes[np.array(usable[1:]) - 1] = fitted / scale
    return slopes


def _gradients(users: Moments) -> Floats:
    """(1 + J, K) of each ratio by the means of all columns; not finite where it is none."""
    gradients = np.zeros((1 + _covariates(users), users.mean.size))
    for pair in range(len(gradients)):
        ratio = _ratio(users, pair)
        if math.isfinite(ratio):
            gradients[pair, 2 * pair : 2 * pair + 2] = np.array([1.0, -ratio]) / users.mean[2 * pair + 1]
    return gradients


def _ratio(users: Moments, pair: int) -> float:
    numerator, denominator = users.mean[2 * pair : 2 * pair + 2].tolist()
    return float(numerator / denominator) if denominator else math.nan


def _covariates(users: Moments) -> int:
    return int(users.mean.size) // 2 - 1
