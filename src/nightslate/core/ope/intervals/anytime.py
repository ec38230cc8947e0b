"""A confidence sequence by betting, guaranteed at all sample sizes at once (Waudby-Smith and Ramdas, 2024).

Whoever bets the share lambda of a capital of 1 that a value is below the truth multiplies the capital by 1 +
lambda u_i with each cluster, where u_i = (A_i - value B_i) / (the most that this can be below 0), so that no
bet loses more than it holds. At the true value the capital ever exceeds 2 / delta with probability delta / 2
at most (Ville, 1939). It is at least exp(lambda sum u_i - psi(lambda) sum u_i**2), where psi(lambda) =
-ln(1 - lambda) - lambda (Fan, Grama and Liu, 2015), which needs sums only. The capital is divided between the
bets of a fixed geometric grid, as in mixed and stitched boundaries (Howard, Ramdas, McAuliffe and Sekhon,
2021), and is counted as that of its best bet. The upper end is found from bets on the other side.

What holds: if the clusters come one after another, each complete and of expectation 0 at the true value given
those before it, and if the largest weight and the largest number of units of a cluster are known in advance
(the latter is taken from the log, so it has to be there from the first look on), the probability that any
interval of a growing log misses is at most delta. For one look at independent clusters it holds whatever
their sizes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.core.ope.intervals.betting import least_mean
from nightslate.core.ope.intervals.guaranteed import bounded
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Clustered, Statistic

_BETS = 2.0 ** -np.arange(1, 21)
_PRICES = -np.log1p(-_BETS) - _BETS


@dataclass(frozen=True)
class Anytime:
    """May be looked at every night, and acted on at any."""

    name: ClassVar[str] = "anytime"
    guaranteed: ClassVar[bool] = True

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters, which leave no standard error."""
        return bounded(statistic, confidence, _ends)


def _ends(ratio: Clustered, miss: float) -> tuple[float, float]:
    return _lower(ratio, miss), -_lower(ratio.mirrored, miss)


def _lower(ratio: Clustered, miss: float) -> float:
    """By the bets themselves where there are any, else by what is sure of them."""
    if ratio.bets is None:
        return _sure(ratio, miss)
    unit, span = ratio.bets.unit, ratio.span
    low, high, floor = span.low / unit, span.high / unit, min(span.low, 0.0) / unit
    return unit * least_mean(ratio.bets.sums, miss / 2, low, high, floor, ratio.most_units)


def _sure(ratio: Clustered, miss: float) -> float:
    """The largest value that a bet rejects; the true capital of that bet rejects all below it as well.

    In t = 1 / (value - low), u_i = ((A_i - low B_i) t - B_i) / (scale most_units), so that what a bet is sure
    to have won is a parabola in t."""
    span = ratio.span
    unit = span.scale * ratio.most_units
    above = ratio.excess(span.low) / unit
    total = ratio.b / unit
    # sums over clusters of the squares and the product of (A_i - low B_i) / unit and B_i / unit
    slope = np.array([1.0, -span.low]) / unit
    moments = ratio.second[:2, :2]
    squared, product, own = slope @ moments @ slope, slope @ moments[:, 1] / unit, moments[1, 1] / unit**2
    needed = math.log(2 * _BETS.size / miss)
    constant = needed + _BETS * total + _PRICES * own
    linear = _BETS * above + 2 * _PRICES * product
    with np.errstate(invalid="ignore", divide="ignore"):
        # the smaller root of price * squared * t**2 - linear * t + constant
        t = 2 * constant / (linear + np.sqrt(linear**2 - 4 * _PRICES * squared * constant))
        reached = span.low + 1 / t
    return float(np.max(reached, where=np.isfinite(reached), initial=span.low))
