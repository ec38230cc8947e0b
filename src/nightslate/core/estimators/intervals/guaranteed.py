"""What guaranteed intervals have in common: from the ends for one ratio to those of a statistic."""

from collections.abc import Callable

from nightslate.core.estimators.intervals.delta import standard_error
from nightslate.core.estimators.intervals.interval import Bounds
from nightslate.core.estimators.statistic import Clustered, Statistic

Ends = Callable[[Clustered, float], tuple[float, float]]
"""A ratio and the probability that its interval may miss -> the interval, within the ratio's span."""


def of_every_ratio(statistic: Statistic, confidence: float, ends: Ends) -> Bounds | None:
    """The sum of the intervals of the ratios, among which the probability to miss is shared equally
    (Bonferroni), with the standard error of the delta method; None with fewer than 2 clusters."""
    stderr = standard_error(statistic)
    if stderr is None or any(ratio.clusters < 2 for _, ratio in statistic.clustered):
        return None
    share = (1 - confidence) / len(statistic.clustered)
    lower = upper = 0.0
    for sign, ratio in statistic.clustered:
        signed = sorted(sign * end for end in ends(ratio, share))
        lower, upper = lower + signed[0], upper + signed[1]
    return Bounds(stderr, lower, upper)
