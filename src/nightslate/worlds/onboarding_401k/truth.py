"""What is to be expected of the pages of a day, and what else could be: known to the world alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Floats
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.worlds.onboarding_401k.rec_engine import Pages
from nightslate.worlds.onboarding_401k.responses import at_tiles, examined
from nightslate.worlds.onboarding_401k.world import World


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
        worth = at_tiles(self.worth, self.pages.tiles) * self.pages.shown
        return np.asarray((worth * examined(self.pages)).sum(axis=1))

    def of_policy(self, weights: NDArray[np.floating]) -> Floats:
        """(n,): of what the engine would show of rankings drawn from weights (n, messages). Exact: the mean
        over all rankings."""
        looked, total = examined(self.pages), np.zeros(len(self.worth))
        for slot in range(looked.shape[1]):
            rows = np.flatnonzero(looked[:, slot])
            chance = marginal_propensities(weights[rows], slot + 1, self.pages.allowed[rows])
            total[rows] += looked[rows, slot] * (chance * self.worth[rows]).sum(axis=1)
        return total
