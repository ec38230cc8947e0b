"""The rule of three (Hanley and Lippman-Hand, 1983), for values of which nothing has varied yet.

If a cluster differs from all that were seen with probability p, c clusters that do not have probability
(1 - p)**c: so p is at most 1 - delta**(1/c), about 3 / c for 95 %, unless an event of probability delta has
happened. A cluster that differs moves the value by the length of the range of rewards, times the largest
weight, at the most; as many times as the largest cluster has units of the average one."""

from dataclasses import dataclass
from typing import ClassVar

from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Statistic


@dataclass(frozen=True)
class RuleOfThree:
    """Takes the place of intervals that go by what varies, where nothing does."""

    name: ClassVar[str] = "rule_of_three"
    guaranteed: ClassVar[bool] = True

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters, and where the value is no mean of weighted rewards."""
        sides, value = statistic.sides, statistic.value
        if statistic.parts < 2 or sides is None:
            return None
        unseen = 1 - (1 - confidence) ** (1 / sides.gains[0].clusters)
        reach = sum(
            unseen * max(gain.span.high, -gain.span.low) * gain.most_units * gain.clusters / gain.b
            for gain in sides.gains
        )
        possible = sides.possible
        return Bounds(None, max(possible.low, value - reach), min(possible.high, value + reach))
