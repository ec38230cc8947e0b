"""What comes of the pages of a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.onboarding_401k.rec_engine import Pages
from nightslate.worlds.onboarding_401k.world import EXAMINED, RATES, World


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
    looked = examined(pages)
    happened = {
        kind: pages.shown
        & (
            at_tiles(world.draws(pages.people, pages.day, kind), pages.tiles)
            < at_tiles(world.chances(pages.people, pages.seen, kind), pages.tiles) * looked
        )
        for kind in RATES
    }
    return Responses(happened, at_tiles(world.delays(pages.people, pages.day), pages.tiles))


def examined(pages: Pages) -> Floats:
    """(n, slots): how likely each tile is looked at."""
    return EXAMINED[pages.people.device]


def at_tiles(values: Floats, tiles: Ints) -> Floats:
    """(n, slots): the value of the message in each tile; of any message where there is none."""
    return np.take_along_axis(values, np.maximum(tiles, 0), axis=1)
