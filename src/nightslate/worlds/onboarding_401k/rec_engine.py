"""The rec engine of the homepage: takes the newest slate of whoever visits, drops what must not be shown, and
shows the first of what is left. It knows rankings, and no weight or propensity of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import seed
from nightslate.core.policies.plackett_luce import sample_rankings
from nightslate.kernels.lists import codes
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.onboarding_401k.messages import MESSAGES
from nightslate.worlds.onboarding_401k.world import TILES, Participants, World
from nightslate.worlds.published_slates import newest_slates

MOST_A_MONTH = 4
"""Nobody is shown a message more often than this in a calendar month."""

NO_TILE = -1


@dataclass(frozen=True, eq=False)
class Pages:
    """The homepages of a day's visitors: `place` (n,) among the participants of the day, `people` themselves.

    `at` (n,): the time of day, as a share of it. `seen` (n, messages): how often in the month before.
    `allowed` (n, messages): what the engine let through. `tiles` (n, slots): the messages shown, NO_TILE
    beyond the tiles of the device. `slate_id` and `variant` (n,): null for those who have no slate yet, who
    see random messages."""

    day: int
    place: Ints
    people: Participants
    at: Floats
    seen: Ints
    allowed: Bools
    tiles: Ints
    slate_id: pa.Array
    variant: pa.Array

    @property
    def shown(self) -> Bools:
        """(n, slots): where there is a tile."""
        return np.asarray(self.tiles != NO_TILE)

    def propensity(self, kind: Literal["conditional", "marginal"]) -> Floats:
        """(n, slots): of random messages, one over how many could be in the slot."""
        before = np.arange(self.tiles.shape[1]) * (kind == "conditional")
        return np.asarray(1 / (self.allowed.sum(axis=1, keepdims=True) - before))

    def of_variant(self, variant: str) -> Bools:
        """(n,): the pages of one variant of the experiment."""
        mine = pc.fill_null(pc.equal(self.variant, variant), False)
        return np.asarray(mine.to_numpy(zero_copy_only=False), dtype=np.bool_)


class Ranked(NamedTuple):
    """The messages for some participants in the order of choice (n, messages), and the slates that say so, if
    they are of slates: ids and variants (n,), else null."""

    ranking: Ints
    slate_id: pa.Array
    variant: pa.Array


Ranker = Callable[[Participants, Ints, int], Ranked]
"""From participants, how often they have seen each message in the month, and the day."""


@dataclass
class RecEngine:
    """Shows what `rank` puts first, and remembers what each participant was shown in the month."""

    world: World
    first_day: date
    rank: Ranker
    _seen: Ints = field(init=False)
    _number: Ints = field(init=False)

    def __post_init__(self) -> None:
        self._seen = np.zeros((self.world.users, len(MESSAGES)), dtype=np.int64)
        self._number = self.world.participants(0).number

    def show(self, day: int) -> Pages:
        """Everything that is shown on a day; the days must come in order."""
        everyone = self._everyone(day)
        place = self.world.visits(everyone, day)
        people, seen = everyone.take(place), self._seen[place]
        allowed = self.world.eligible(people) & (seen < MOST_A_MONTH)
        ranked = self.rank(people, seen, day)
        slots = np.arange(TILES.max())
        left = np.argsort(~np.take_along_axis(allowed, ranked.ranking, axis=1), axis=1, kind="stable")
        first = np.take_along_axis(ranked.ranking, left[:, : slots.size], axis=1)
        tiles = np.where(slots < TILES[people.device][:, None], first, NO_TILE)
        row, slot = np.nonzero(tiles != NO_TILE)
        self._seen[place[row], tiles[row, slot]] += 1  # one visit a day: no cell is met twice
        at = self.world.times(people, day)
        return Pages(day, place, people, at, seen, allowed, tiles, ranked.slate_id, ranked.variant)

    def _everyone(self, day: int) -> Participants:
        """Who is on board; a new participant has seen nothing, and nobody has in a new month."""
        everyone = self.world.participants(day)
        self._seen[everyone.number != self._number] = 0
        if (self.first_day + timedelta(days=day)).day == 1:
            self._seen[:] = 0
        self._number = everyone.number
        return everyone


@dataclass(frozen=True)
class PublishedSlates:
    """Ranks as the slates of the day say, in random order for whoever has none. `folder`: of the table."""

    world: World
    first_day: date
    folder: Path
    pseudonymise: Pseudonymiser

    def __call__(self, people: Participants, seen: Ints, day: int) -> Ranked:  # noqa: ARG002
        """The newest slates of the day, read as any reader does."""
        users = self.pseudonymise(pa.array(people.ids))
        slates = newest_slates(self.folder, self.first_day + timedelta(days=day), users)
        known = slates["slate_id"].is_valid().to_numpy(zero_copy_only=False)
        ranking = _random(people, self.world, day)
        if known.any():
            ranking[known] = codes(slates["ranking"].drop_null(), pa.array(MESSAGES))
        return Ranked(ranking, slates["slate_id"], slates["variant"])


@dataclass(frozen=True)
class FullKnowledge:
    """Ranks by the expected reward that only the world knows, that of every participant by itself."""

    world: World
    values: Mapping[str, float]

    def __call__(self, people: Participants, seen: Ints, day: int) -> Ranked:  # noqa: ARG002
        """The message of most worth first."""
        worth = self.world.worth(people, seen, self.values)
        nothing = pa.nulls(len(people), pa.string())
        return Ranked(np.argsort(-worth, axis=1), nothing, nothing)


def _random(people: Participants, world: World, day: int) -> Ints:
    arms = np.array([seed(message) for message in MESSAGES], dtype=np.uint64)
    equal = np.ones((len(people), len(MESSAGES)))
    return sample_rankings(equal, world.keys(people, day, "random page"), arms, len(MESSAGES))
