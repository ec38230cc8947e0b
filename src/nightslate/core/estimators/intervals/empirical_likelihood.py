"""Empirical likelihood (Owen, 2001), for off-policy values with the mean importance weight as a second
equation (Karampatziakis, Langford and Mineiro, 2020).

The bins get probabilities p under which sum p (A - value B) = 0 and sum p (weight - 1) = 0. A value is in the
interval unless even the likeliest such p is too unlikely: unless -2 ln of its likelihood ratio exceeds that
of the second equation alone by more than the square of Student's quantile. Bins with large weights pull the
ends as far as they might, so the interval is as skewed as the data are; the second equation takes from it
what the weights themselves tell of the luck of the draw. So it may be much narrower than others, and not
centred on the value, which knows nothing of that. Of sums and differences of several ratios it is the
interval of what these are to first order (their influences)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from nightslate.core.arrays import Floats
from nightslate.core.estimators.intervals.delta import standard_error
from nightslate.core.estimators.intervals.interval import Bounds
from nightslate.core.estimators.statistic import Statistic

_IMPOSSIBLE = 10.83
"""-2 ln of a likelihood ratio that chance exceeds once in 1,000 times."""

_FEWEST = 20
"""Bins under which no likelihood is worth asking."""

_FURTHER = 2.0 ** np.arange(12)

_STEPS = 50
_DECREMENT = 1e-13


@dataclass(frozen=True)
class EmpiricalLikelihood:
    """The second equation is left out where the bins contradict it, as they do where the logging policy could
    not show all that the target would."""

    name: ClassVar[str] = "empirical_likelihood"
    guaranteed: ClassVar[bool] = False

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 20 bins that have units, and where so few have weight that no end is found."""
        stderr = standard_error(statistic)
        if stderr is None or statistic.parts < _FEWEST:
            return None
        if statistic.constant:
            return Bounds(stderr, statistic.value, statistic.value)
        numerators, denominators, control = _adjusted(statistic)
        known, dual = _log_ratio(control, np.zeros(control.shape[1]))
        if known > _IMPOSSIBLE:
            control, known, dual = control[:, :0], 0.0, dual[:0]
        p = 1 / (1 + control @ dual)
        centre = float(p @ numerators / (p @ denominators))
        reach = float(stdtrit(statistic.parts - 1, (1 + confidence) / 2))

        def end(direction: float) -> float:
            start = np.append(dual, 0.0)

            def beyond(errors: float) -> float:
                """How much too unlikely a value is so many standard errors from the centre; about linear."""
                value = centre + direction * errors * stderr
                equations = np.column_stack([control, numerators - value * denominators])
                found, _ = _log_ratio(equations, start)
                return math.sqrt(max(0.0, found - known)) - reach

            for far in reach * _FURTHER:
                if beyond(far) >= 0:
                    return centre + direction * stderr * float(brentq(beyond, 0.0, far, xtol=1e-12))
            return math.nan

        lower, upper = end(-1.0), end(1.0)
        return Bounds(stderr, lower, upper) if math.isfinite(upper - lower) else None


def _adjusted(statistic: Statistic) -> tuple[Floats, Floats, Floats]:
    """Numerators and denominators (G,) of one ratio that is the value, and the second equation (G, 1); (G, 0)
    where that says the same as the first, as it does if every reward is the same, or nothing, as on the
    logging policy's own logs. The last of the G bins is made up: it is opposite to the mean of the others, so
    that some probabilities solve the equations at every value (Chen, Variyath and Abraham, 2008)."""
    units, control, filled = statistic.units, statistic.control, statistic.units > 0
    share = units / units.sum()
    numerators, denominators = statistic.influences + statistic.value * share, share
    if statistic.signs.size == 1:
        numerators, denominators = statistic.numerators[0], statistic.denominators[0]
    residuals, surprise = statistic.influences, control - control.sum() * share
    alike = (surprise @ residuals) ** 2 >= (1 - 1e-9) * (surprise @ surprise) * (residuals @ residuals)
    bins = np.column_stack([numerators, denominators, control])[filled]
    opposite = -max(1.0, math.log(len(bins)) / 2) * bins.mean(axis=0)
    numerators, denominators, control = np.vstack([bins, opposite]).T
    return numerators, denominators, control[:, None][:, : 0 if alike else 1]


def _log_ratio(equations: Floats, dual: Floats) -> tuple[float, Floats]:
    """-2 ln of the largest likelihood ratio under which the columns of (G, k) have mean 0, and the dual (k,)
    that it belongs to, by Newton's method from a first guess. It is twice the maximum of the sum of ln(1 +
    equations @ dual)."""
    scale = np.sqrt(np.square(equations).sum(axis=0))
    equations, dual = equations / scale, dual * scale
    value, slope, curvature = _logarithm(1 + equations @ dual)
    for _ in range(_STEPS):
        gradient = slope @ equations
        step = np.linalg.solve((equations.T * curvature) @ equations, gradient)
        if gradient @ step < _DECREMENT:
            break
        trial = _logarithm(1 + equations @ (dual + step))
        while trial[0] < value - _DECREMENT and step.any():
            step = step / 2
            trial = _logarithm(1 + equations @ (dual + step))
        dual, (value, slope, curvature) = dual + step, trial
    return 2 * value, dual / scale


def _logarithm(x: Floats) -> tuple[float, Floats, Floats]:
    """The sum of ln x, its slopes and minus its curvatures. Below 1 / G it goes on as a parabola (Owen, 2001,
    12.3), so that there is a maximum even where no probabilities solve the equations."""
    least = 1 / x.size
    inside = np.maximum(x, least)
    below = (inside - x) / least
    value = float((np.log(inside) - below - below**2 / 2).sum())
    return value, (1 + below) / inside, 1 / inside**2
