"""The empirical Bernstein bound (Maurer and Pontil, 2009), guaranteed. With c clusters, V the sample variance
of G_i = A_i - value B_i and W the length of the range of them all, a value is in the interval unless the mean
of G_i is further from 0 than sqrt(2 V ln(4 / delta) / c) + 7 W ln(4 / delta) / (3 (c - 1)).

Their theorem 11 asks for independent terms with a common range, not for identical ones. So it holds for every
number of clusters, given their sizes, or for clusters drawn at random together with their sizes if the
largest size that is possible has been seen."""

import math
from dataclasses import dataclass
from typing import ClassVar

from scipy.optimize import brentq

from nightslate.core.ope.intervals.guaranteed import bounded
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Clustered, Statistic


@dataclass(frozen=True)
class EmpiricalBernstein:
    """Narrow where the terms hardly vary, however large they could have been."""

    name: ClassVar[str] = "empirical_bernstein"
    guaranteed: ClassVar[bool] = True

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters."""
        return bounded(statistic, confidence, _ends)


def _ends(ratio: Clustered, miss: float) -> tuple[float, float]:
    return -_upper(ratio.mirrored, miss), _upper(ratio, miss)


def _upper(ratio: Clustered, miss: float) -> float:
    """The root of a function that is concave from the estimate, where it is negative, to the end of the span:
    there is one if it is positive there, and otherwise no value is sure to be rejected."""
    span, c, log = ratio.span, ratio.clusters, math.log(4 / miss)
    width = span.scale * (span.high - span.low) * ratio.most_units
    least = 7 * width * log * c / (3 * (c - 1))

    def rejected_by(value: float) -> float:
        excess = ratio.excess(value)
        variance = max(0.0, ratio.squares(value) - excess**2 / c) / (c - 1)
        return -excess - math.sqrt(2 * variance * log * c) - least

    if rejected_by(span.high) <= 0:
        return span.high
    return float(brentq(rejected_by, ratio.value, span.high, xtol=1e-15))
