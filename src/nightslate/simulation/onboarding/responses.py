"""What comes of the pages of a day: what is to be expected of them, what happens, and what else could."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.simulation.onboarding.engine import Pages
from nightslate.simulation.onboarding.world import EXAMINED, RATES, World


@dataclass(frozen=True, eq=False)
class Responses:
    """happened: by kind of outcome, which tiles (n, slots) it came of. after (n, slots): days until the
    task."""

    happened: Mapping[str, Bools]
    after: Floats

    def earned(self, values: Mapping[str, float]) -> Floats:
        """(n,): what each page earned, tasks that are still to come included."""
        return np.asarray(
            sum(values.get(kind, 0.0) * happened.sum(axis=1) for kind, happened in self.happened.items())
        )


def responses(world: World, pages: Pages) -> Responses:
    """What the visitors do about what they were shown."""
    looked = _looked_at(pages)
    happened = {
        kind: pages.shown
        & (
            _at(world.draws(pages.people, pages.day, kind), pages.tiles)
            < _at(world.chances(pages.people, pages.seen, kind), pages.tiles) * looked
        )
        for kind in RATES
    }
    return Responses(happened, _at(world.delays(pages.people, pages.day), pages.tiles))


@dataclass(frozen=True, eq=False)
class Truth:
    """The world's expected reward of pages, for the visitors of a day, the engine's rules and what they had
    seen before. `worth` (n, messages): of a message that is looked at."""

    pages: Pages
    worth: Floats

    @classmethod
    def of(cls, world: World, pages: Pages, values: Mapping[str, float]) -> Truth:
        return cls(pages, world.worth(pages.people, pages.seen, values))

    def of_shown(self) -> Floats:
        """(n,): of what was shown."""
        worth = _at(self.worth, self.pages.tiles) * self.pages.shown
        return np.asarray((worth * _looked_at(self.pages)).sum(axis=1))

    def of_policy(self, weights: NDArray[np.floating]) -> Floats:
        """(n,): of what the engine would show of rankings drawn from weights (n, messages). Exact: the mean
        over all rankings."""
        looked, total = _looked_at(self.pages), np.zeros(len(self.worth))
        for slot in range(looked.shape[1]):
            rows = np.flatnonzero(looked[:, slot])
            chance = marginal_propensities(weights[rows], slot + 1, self.pages.allowed[rows])
            total[rows] += looked[rows, slot] * (chance * self.worth[rows]).sum(axis=1)
        return total


def _looked_at(pages: Pages) -> Floats:
    """(n, slots)"""
    return EXAMINED[pages.people.device]


def _at(values: Floats, tiles: Ints) -> Floats:
    """(n, slots): the value of the message in each tile; of any message where there is none."""
    return np.take_along_axis(values, np.maximum(tiles, 0), axis=1)
