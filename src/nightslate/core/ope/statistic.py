"""A value, or the difference of two, as intervals look at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nightslate.core.arrays import Floats

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Span:
    """What is known of a ratio before the data. It is between `low` and `high`, and for every value between
    them numerator - value * denominator of one unit is between scale * (low - value) and scale * (high -
    value). So `scale` is the most that a unit's denominator can be; 1 for a mean."""

    low: float
    high: float
    scale: float = 1.0

    def __sub__(self, other: Span) -> Span:
        """The span of the difference of two means."""
        return Span(self.low - other.high, self.high - other.low)

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low


@dataclass(frozen=True, eq=False)
class Bets:
    """What bets on a mean have won, see `intervals.betting`: their sums, and the unit of its amounts."""

    sums: Floats
    unit: float


@dataclass(frozen=True, eq=False)
class Clustered:
    """Sums over c clusters of one ratio A / B, for intervals that are guaranteed.

    A cluster has the sums A_i and B_i over its units, of which it has m_i. second (3, 3) holds the sums over
    clusters of the products of (A_i, B_i, m_i); a and b are the sums of the first two, and most_units is the
    largest m_i. A cluster's A_i - value B_i is within m_i times what `span` says of a unit's. bets: on a
    mean, whose B_i are m_i; None where nobody bet."""

    a: float
    b: float
    clusters: int
    most_units: int
    second: Floats
    span: Span
    bets: Bets | None = None

    @property
    def value(self) -> float:
        """A / B."""
        return self.a / self.b

    @property
    def squared_units(self) -> float:
        """The sum over clusters of m_i**2."""
        return float(self.second[2, 2])

    def excess(self, value: float) -> float:
        """The sum of A_i - value B_i: it is 0 in expectation at the true value."""
        return self.a - value * self.b

    def squares(self, value: float) -> float:
        """The sum over clusters of (A_i - value B_i)**2."""
        direction = np.array([1.0, -value, 0.0])
        return max(0.0, float(direction @ self.second @ direction))

    @property
    def mirrored(self) -> Clustered:
        """The same with -A for A, whose lower end is minus the upper end of this."""
        flip = np.array([-1.0, 1.0, 1.0])
        span = Span(-self.span.high, -self.span.low, self.span.scale)
        second = self.second * np.outer(flip, flip)
        return Clustered(-self.a, self.b, self.clusters, self.most_units, second, span)


@dataclass(frozen=True, eq=False)
class Sides:
    """A value from both sides, for intervals that are guaranteed: it is `low` plus the means of the gains and
    `high` less those of the losses, because every weight is 1 in expectation. Gains w (r - least) and losses
    w (most - r) are never under 0, however large weights are; those of a difference to the logging policy
    never under what that can have. A difference to another is the gain of one and the loss of the other.
    possible: what the value is within, whatever the data."""

    gains: tuple[Clustered, ...]
    losses: tuple[Clustered, ...]
    low: float
    high: float
    possible: Span


@dataclass(frozen=True, eq=False)
class Statistic:
    """The sum over k of sign_k sum(numerators_k) / sum(denominators_k), and what its spread follows from.

    numerators, denominators (K, G): sums over the units of each of G bins of clusters. Clusters fall into
    bins by hash, so bins are independent, and as good as clusters where there are many. units (G,): how many
    units a bin has. signs (K,).
    clustered: for each k what guaranteed intervals need, with its sign; a difference of two means is one.
    sides: what they need besides, of the value as a mean of weighted rewards; None where it is none. alike:
    it is the difference of two policies that give everything in the logs the same weight."""

    signs: Floats
    numerators: Floats
    denominators: Floats
    units: Floats
    clustered: tuple[tuple[float, Clustered], ...]
    sides: Sides | None
    seed: int
    alike: bool = False

    @cached_property
    def value(self) -> float:
        """The sum of the ratios; NaN where a denominator is 0."""
        return float(self.signs @ self.ratios)

    @cached_property
    def ratios(self) -> Floats:
        """(K,) each ratio."""
        return ratios(self.numerators.sum(axis=1), self.denominators.sum(axis=1))

    @cached_property
    def influences(self) -> Floats:
        """(G,) each bin's part in how far the value is from the truth, to first order; they sum to 0."""
        residuals = self.numerators - self.ratios[:, None] * self.denominators
        return np.asarray((self.signs / self.denominators.sum(axis=1)) @ residuals)

    @property
    def constant(self) -> bool:
        """Whether nothing but rounding makes bins differ."""
        return bool(np.abs(self.influences).sum() <= _ROUNDING * np.abs(self.ratios).sum())

    @property
    def parts(self) -> int:
        """How many independent parts the spread is taken from: the bins that have any units."""
        return int(np.count_nonzero(self.units))

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)


def ratios(numerators: Floats, denominators: Floats) -> Floats:
    """Numerator over denominator; NaN where that is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominators != 0, numerators / denominators, np.nan)
