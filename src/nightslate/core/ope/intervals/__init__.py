"""Intervals, one file each, by the name that reports carry.

Each is a smooth function of sums that a state holds, or a search over one. An interval of a ratio has the
spread of the denominator in it."""

from nightslate.core.ope.intervals.anytime import Anytime
from nightslate.core.ope.intervals.bootstrap import Bootstrap
from nightslate.core.ope.intervals.delta import Delta
from nightslate.core.ope.intervals.empirical_bernstein import EmpiricalBernstein
from nightslate.core.ope.intervals.hoeffding import Hoeffding
from nightslate.core.ope.intervals.interval import Bounds, Interval

INTERVALS: dict[str, Interval] = {
    interval.name: interval
    for interval in (
        Bootstrap(),
        Delta(),
        EmpiricalBernstein(),
        Hoeffding(),
        Anytime(),
    )
}

__all__ = [
    "INTERVALS",
    "Anytime",
    "Bootstrap",
    "Bounds",
    "Delta",
    "EmpiricalBernstein",
    "Hoeffding",
    "Interval",
]
