"""The delta method with clustered variance (Liang and Zeger, 1986): value +/- t s, where s**2 is the sum of
squares of the clusters' influences on the value. t is Student's quantile for as many degrees of freedom as s
has by its fourth moments (Satterthwaite, 1946): few, where few clusters make most of the spread."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import stdtrit

from nightslate.core.arrays import Floats
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Statistic


@dataclass(frozen=True)
class Delta:
    """Linear in the sums, hence symmetric about the value."""

    name: ClassVar[str] = "delta"
    guaranteed: ClassVar[bool] = False

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters, and where nothing varies."""
        stderr = standard_error(statistic)
        if stderr is None or statistic.constant:
            return None
        reach = students_quantile(statistic, confidence) * stderr
        return Bounds(stderr, statistic.value - reach, statistic.value + reach)


def standard_error(statistic: Statistic) -> float | None:
    """The square root of the clustered variance of the value; None with fewer than 2 clusters."""
    parts = statistic.parts
    if parts < 2:
        return None
    return math.sqrt(parts / (parts - 1) * float(np.square(statistic.influences).sum()))


def students_quantile(statistic: Statistic, confidence: float) -> float:
    """By how many standard errors an interval reaches to each side."""
    return float(stdtrit(freedom(statistic.influences, statistic.parts), (1 + confidence) / 2))


def freedom(influences: Floats, parts: int) -> float:
    """2 E[s**2]**2 / Var[s**2], of influences (G,) of which `parts` are of a cluster; one less than these,
    where influences are normal or lighter."""
    squares = np.square(influences)
    total, fourth, most = float(squares.sum()), float(np.square(squares).sum()), parts - 1
    spread = fourth - total**2 / parts
    return min(most, 2 * total**2 / spread) if spread > 0 else most
