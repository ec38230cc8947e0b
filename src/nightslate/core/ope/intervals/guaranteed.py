"""What guaranteed intervals have in common: from the ends for one ratio to those of a statistic.

A mean of rewards times weights of up to W is between 0 and W for all that its terms say, and an interval of
it is as wide. But weights are 1 in expectation, so the mean of w r is also 1 less that of w (1 - r), for
rewards in [0, 1]; and both are means of what is never under 0, of which a lower bound asks little, however
large weights are (Karampatziakis, Mineiro and Ramdas, 2021). The value is thus over the lower bound of the
one, and under 1 less the lower bound of the other."""

from collections.abc import Callable

from nightslate.core.ope.intervals.delta import standard_error
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Clustered, Statistic

Ends = Callable[[Clustered, float], tuple[float, float]]
"""A ratio and the probability that its interval may miss -> the interval, within the ratio's span."""


def bounded(statistic: Statistic, confidence: float, ends: Ends) -> Bounds | None:
    """What is in the interval of the ratios and in that of both sides, which share the probability to miss
    equally (Bonferroni); the former alone where there are no sides. It holds the value itself, or what of the
    possible is nearest to it. With the standard error of the delta method; None with fewer than 2
    clusters."""
    stderr = standard_error(statistic)
    if stderr is None or any(ratio.clusters < 2 for _, ratio in statistic.clustered):
        return None
    spread, miss, sides = None if statistic.constant else stderr, 1 - confidence, statistic.sides
    if sides is None:
        return Bounds(spread, *of_every_ratio(statistic, miss, ends))
    lower, upper = of_every_ratio(statistic, miss / 2, ends)
    share = miss / 2 / len(sides.gains)
    lower = max(lower, sides.low + sum(ends(gain, share)[0] for gain in sides.gains))
    upper = min(upper, sides.high - sum(ends(loss, share)[0] for loss in sides.losses))
    low, high = sides.possible.low, sides.possible.high
    nearest = min(max(statistic.value, low), high)
    return Bounds(spread, max(low, min(lower, nearest)), min(high, max(upper, nearest)))


def of_every_ratio(statistic: Statistic, miss: float, ends: Ends) -> tuple[float, float]:
    """The sum of the intervals of the ratios, among which the probability to miss is shared equally."""
    share = miss / len(statistic.clustered)
    lower = upper = 0.0
    for sign, ratio in statistic.clustered:
        signed = sorted(sign * end for end in ends(ratio, share))
        lower, upper = lower + signed[0], upper + signed[1]
    return lower, upper
