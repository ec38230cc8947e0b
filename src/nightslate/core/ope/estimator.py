"""What an off-policy estimator is: a sum of ratios of sums.

Each unit (an impression, or a decision of several slots) has its part of every numerator and denominator. So
batches, partitions, bins of clusters and bootstrap replicates all come down to adding, and the value is a
smooth function of the sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.statistic import Span

Pair = tuple[Floats, Floats]
"""Numerator and denominator of each unit, (n,) and (n,)."""

Weighing = Callable[[Any], Pair]

UNTUNED = (math.inf,)

DOUBLINGS = (math.inf, *(2.0**power for power in range(10, -1, -1)))
"""Candidates for a largest weight, from the least biased one to that of the least variance. They do not
depend on the data, so that states of different partitions have the same ones."""


@dataclass(frozen=True)
class RewardRange:
    """What is known of rewards and weights before any data: the least and the most that one reward can be,
    and the largest importance weight that is possible, if anybody can say (a floor under the logged
    propensities is such a bound)."""

    low: float
    high: float
    max_weight: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InvalidInputError(f"a range of rewards needs low < high, got {self.low} and {self.high}")
        if self.max_weight is not None and not 0 < self.max_weight < math.inf:
            raise InvalidInputError(f"the largest weight must be > 0 and finite, got {self.max_weight}")

    def of_each(self, slots: int) -> tuple[float, float]:
        """The range of each of so many rewards of a unit: a slate may leave slots empty and a trajectory may
        end before others, which is a reward of 0."""
        return (self.low, self.high) if slots == 1 else (min(0.0, self.low), max(0.0, self.high))


@dataclass(frozen=True)
class Limits:
    """What bounds a term: the range of a reward, the largest importance weight, and the number of slots, each
    of which has a reward."""

    low: float
    high: float
    max_weight: float
    slots: int = 1

    @property
    def width(self) -> float:
        """The length of the range."""
        return self.high - self.low


def one_pair(slots: int) -> int:  # noqa: ARG001
    """Most estimators are one ratio."""
    return 1


def pair_a_slot(slots: int) -> int:
    """Those that normalise slot by slot have a ratio for each."""
    return slots


@dataclass(frozen=True)
class Estimator:
    """One estimator.

    needs: the optional columns of the sample that it reads.
    terms: sample and tuning parameter -> the pairs that it is the sum of the ratios of.
    spans: limits and tuning parameter -> the span of each pair.
    tunings: the candidates for the tuning parameter; one that is infinite means none.
    pairs: number of slots -> number of pairs.
    counts: the denominators are the number of units, so that the value is a plain mean.
    weighing: sample -> the sums over a unit's rewards of w r and of w, where the value without tuning is the
    expectation of the first one and every w is 1 in expectation; None where it is not.
    knows_its_error: whether what varies tells how far off it is; a model alone does not."""

    name: str
    terms: Callable[[Any, float], tuple[Pair, ...]]
    spans: Callable[[Limits, float], tuple[Span, ...]]
    needs: frozenset[str] = frozenset()
    tunings: tuple[float, ...] = UNTUNED
    pairs: Callable[[int], int] = one_pair
    counts: bool = True
    weighing: Weighing | None = None
    knows_its_error: bool = True


def mean_of_weighted(limits: Limits, tuning: float) -> tuple[Span, ...]:
    """The span of a mean of w r, with weights of at most the tuning parameter."""
    most = min(limits.max_weight, tuning)
    return (Span(min(0.0, most * limits.low), max(0.0, most * limits.high)),)


def ratio_of_weighted(limits: Limits, tuning: float) -> tuple[Span, ...]:
    """The span of a sum of w r over a sum of w."""
    return (Span(limits.low, limits.high, min(limits.max_weight, tuning)),)


def mean_of_corrected(limits: Limits, tuning: float) -> tuple[Span, ...]:
    """The span of a mean of v + w (r - q), if the model's expectations are in the range of rewards."""
    most = min(limits.max_weight, tuning) * limits.width
    return (Span(limits.low - most, limits.high + most),)
