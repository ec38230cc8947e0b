"""Hoeffding's inequality (1963), guaranteed. A value is in the interval unless the sum over clusters of A_i -
value B_i is further from 0 than W sqrt(sum m_i**2 ln(2 / delta) / 2), where W m_i is the length of the range
of the i-th term.

Holds for every number of independent clusters, given how many units each has: what it covers is the expected
numerator over the expected denominator of clusters of these sizes."""

import math
from dataclasses import dataclass
from typing import ClassVar

from nightslate.core.ope.intervals.guaranteed import bounded
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Clustered, Statistic


@dataclass(frozen=True)
class Hoeffding:
    """As wide as the range allows, whatever the data look like."""

    name: ClassVar[str] = "hoeffding"
    guaranteed: ClassVar[bool] = True

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters, which leave no standard error."""
        return bounded(statistic, confidence, _ends)


def _ends(ratio: Clustered, miss: float) -> tuple[float, float]:
    span = ratio.span
    width = span.scale * (span.high - span.low)
    reach = width * math.sqrt(ratio.squared_units * math.log(2 / miss) / 2) / ratio.b
    return max(span.low, ratio.value - reach), min(span.high, ratio.value + reach)
