"""Effects and costs of units by rank of their priority and by user: the sums that curves come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from nightslate.core.arrays import Floats, Ints, Keys, Sums, finite
from nightslate.core.hashing import deal
from nightslate.core.uplift.grid import Grid

BINS = 512
"""Users are summed up in so many bins, by hash: enough that a standard error, taken between bins, is itself
known to about 3 %."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Sums over units by bin of users and by group of priorities, the highest first: how many (BINS, K), the
    effect of helping them, before what help costs, and that cost."""

    units: csr_array
    effect: csr_array
    cost: csr_array


@dataclass(frozen=True, eq=False)
class RankedSums(Sums):
    """The same as arrays (BINS, K), of units that come bit by bit: the groups of a `Grid` that was fixed
    before."""

    units: Floats
    effect: Floats
    cost: Floats

    @classmethod
    def initial(cls, grid: Grid) -> Self:
        """Of no units."""
        nothing = np.zeros((BINS, grid.size))
        return cls(nothing, nothing, nothing)

    def update(
        self, grid: Grid, priority: Floats, effect: Floats, cost: Floats, users: Keys, seed: int
    ) -> Self:
        """These and n more units: what they are ranked by, the doubly robust score of their effect before
        costs, what helping them costs beyond what nothing does, and the key of each one's user, all (n,)."""
        cell = _bins(users, seed), grid.places(priority)
        added = {name: array.copy() for name, array in self.arrays().items()}
        for name, values in (("units", 1.0), ("effect", effect), ("cost", cost)):
            np.add.at(added[name], cell, values)
        return replace(self, **added)

    @property
    def ranked(self) -> Ranked:
        """As curves look at them."""
        return Ranked(csr_array(self.units), csr_array(self.effect), csr_array(self.cost))


def ranked_exactly(priority: Floats, effect: Floats, cost: Floats, users: Keys, seed: int = 0) -> Ranked:
    """n units that are all at hand, see `RankedSums.update`, by exact ranks; equal priorities are one rank.
    Raises InvalidInputError where an effect or a cost is not finite, a priority is no number, or a shape
    differs."""
    given = {"effect": effect, "cost": cost, "units": np.ones(len(users)), "priority": np.sign(priority)}
    arrays = {name: finite(name, values, users.shape) for name, values in given.items()}
    grid = Grid.of_each(priority)
    cell = _bins(users, seed), grid.places(priority)
    sums = {name: csr_array((arrays[name], cell), (BINS, grid.size)) for name in ("units", "effect", "cost")}
    return Ranked(**sums)


def per_cost(gain: Floats, cost: Floats) -> Floats:
    """(n,) the priority of units whose help gains so much before costs, and costs so much: gain by unit of
    cost. What costs nothing comes first if it gains, and last if it loses."""
    free = np.where(gain == 0, 0.0, np.copysign(np.inf, gain))
    return np.divide(gain, cost, out=free, where=cost > 0)


def _bins(users: Keys, seed: int) -> Ints:
    return deal(users, seed, BINS)
