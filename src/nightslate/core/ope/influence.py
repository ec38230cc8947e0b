"""Whether one unit makes an estimate.

To first order a unit moves a ratio by its numerator less the ratio times its denominator, over the sum of the
denominators. The ratio is known when all sums are, so until then those units are kept that can be the
farthest from it: with the largest and the least numerator, and with the largest denominator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.ope.estimator import Pair
from nightslate.core.ope.statistic import Statistic

NameOf = Callable[[int], str]
"""What a unit is called, by its place."""

_SIDES = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
"""(3, 2) of numerator and denominator, the directions in which the farthest unit is kept."""


@dataclass(frozen=True)
class Influence:
    """What a unit is called, how far it moves an estimate, and the standard error that all others leave."""

    unit: str
    moves: float
    others: float


@dataclass(frozen=True, eq=False)
class Extremes:
    """The farthest units of P policies and C ratios. units (P, C, 3): what they are called; terms (P, C, 3,
    4): their numerators and denominators, and the sums of both over their clusters, NaN where there are no
    units. Which of several equal ones it is is left open: none of these makes an estimate alone."""

    units: NDArray[np.str_]
    terms: Floats

    @classmethod
    def initial(cls, policies: int, ratios: int) -> Self:
        """Of no units."""
        shape = (policies, ratios, len(_SIDES))
        return cls(np.zeros(shape, dtype=np.str_), np.full((*shape, 4), np.nan))

    @classmethod
    def of(cls, places: Ints, terms: Floats, name_of: NameOf) -> Self:
        """Of units at their places (P, C, 3), see `farthest`."""
        found, inverse = np.unique(places, return_inverse=True)
        names = np.array([name_of(int(unit)) for unit in found], dtype=np.str_)
        return cls(names[inverse.reshape(places.shape)], terms)

    def merge(self, other: Self) -> Self:
        """Of the units of both."""
        mine, theirs = self._reach(), other._reach()
        further = (theirs > mine) | ((theirs == mine) & (other.units < self.units))
        return type(self)(
            np.where(further, other.units, self.units),
            np.where(further[..., None], other.terms, self.terms),
        )

    def _reach(self) -> Floats:
        """(P, C, 3) how far each unit is to its side."""
        reach = np.asarray((self.terms[..., :2] * _SIDES).sum(axis=-1))
        return np.where(np.isnan(reach), -np.inf, reach)

    def made_by_one(self, p: int, ratios: Ints, value: Statistic, clusters: int) -> Influence | None:
        """The unit that moves a value of policy p, the sum of these ratios, by more than the standard error
        of all others; None where none does, where none was named, and where nothing varies.

        The standard error is the root of the sum over clusters of the squares of what each moves the value
        by. The others leave it with what is left of this unit's cluster, about where they put the value
        themselves. Of a sum of several ratios bins of clusters stand for clusters."""
        units, terms = self.units[p, ratios], self.terms[p, ratios]
        if not value.defined or value.constant or np.isnan(terms).all():
            return None
        numerators, denominators = terms[..., ::2], terms[..., 1::2]  # (K, 3, 2) of the unit and its cluster
        totals = value.denominators.sum(axis=1)[:, None, None]
        by_ratio = (numerators - value.ratios[:, None, None] * denominators) / totals
        moved = {str(unit): _of_unit(by_ratio, units == unit) for unit in np.unique(units)}
        unit, (moves, of_cluster) = max(moved.items(), key=lambda item: abs(item[1][0]))
        rest = _squares(value) - of_cluster**2 + (of_cluster - moves) ** 2
        others = math.sqrt(max(0.0, rest - moves**2 / (clusters - 1)))
        # of two units that are alike neither is alone, though each is a little over what the other leaves
        alone = abs(moves) * (1 - 1 / (clusters - 1)) > others
        return Influence(unit, moves, others) if alone else None


def _of_unit(by_ratio: Floats, is_unit: Bools) -> tuple[float, float]:
    """What a unit and its cluster move the sum of the ratios by, (K, 3, 2), as far as the unit is among the
    farthest (K, 3) of each."""
    ratio = np.flatnonzero(is_unit.any(axis=1))
    moves, of_cluster = by_ratio[ratio, is_unit[ratio].argmax(axis=1)].sum(axis=0)
    return float(moves), float(of_cluster)


def _squares(value: Statistic) -> float:
    """The sum over clusters of the squares of what each moves the value by."""
    if len(value.clustered) > 1:
        return float(np.square(value.influences).sum())
    ((_, ratio),) = value.clustered
    return ratio.squares(value.value) / ratio.b**2


def farthest(pair: Pair, of_clusters: Pair, starts: Ints) -> tuple[Ints, Floats]:
    """The places (3,) of the farthest of n > 0 units of a ratio, and their numerators and denominators and
    those of their clusters (3, 4). of_clusters (c,): of each cluster; starts (c,): where each starts, of
    units that lie cluster by cluster."""
    numerators, denominators = pair
    places = np.array([numerators.argmax(), numerators.argmin(), denominators.argmax()])
    cluster = np.searchsorted(starts, places, side="right") - 1
    return places, np.stack([*(a[places] for a in pair), *(a[cluster] for a in of_clusters)], axis=-1)
