"""All users of the app under one way to assign them: day by day who visits, which checkout each sees, and
what comes of it, hours or days later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.rollout_allocation.app import Assigned, Assigns
from nightslate.worlds.rollout_allocation.world import KINDS, NEVER, Chances, Morning, World

DAY = 86_400.0
_FROM, _FOR = 0.25, 0.6
"""Visits: from which share of the day on, and for how much of it."""

LOST = 0.03
"""The share of impressions that logging loses, whatever the variant."""

_DELAYS = {"purchase": (0.75 * DAY, 5 * DAY), "trouble": (1.25 * DAY, 4 * DAY)}
"""Seconds from a visit to what comes of it: the mean of an exponential distribution, and the longest."""

_AT_ONCE = 60.0


class Day(NamedTuple):
    """What happened on a day. `morning` and `assigned`: all users; `novelty` (n,): days since the first in
    the treatment. Of the visits (v,): the `place` of the user; when, in seconds of the day; what each brings
    with which chance; whether the impression is logged; and by kind whether it `happened`, and how many
    seconds after the visit."""

    day: int
    morning: Morning
    assigned: Assigned
    novelty: Ints
    place: Ints
    at: Floats
    chances: Chances
    logged: Bools
    happened: dict[str, Bools]
    delays: dict[str, Floats]

    @property
    def treated(self) -> Bools:
        """(v,) who sees the treatment."""
        return self.assigned.treated[self.place]


@dataclass
class Population:
    """Users whom `assign` puts into variants; the days come in order."""

    world: World
    assign: Assigns
    _treated_since: Ints = field(init=False)

    def __post_init__(self) -> None:
        self._treated_since = np.full(self.world.users, NEVER)

    def play(self, day: int) -> Day:
        """A day from morning to night."""
        world, morning, assigned = self.world, self.world.morning(day), self.assign(day)
        self._treated_since[assigned.treated] = np.minimum(self._treated_since[assigned.treated], day)
        novelty = np.maximum(day - self._treated_since, 0)
        chances = world.chances(morning, day)
        place = np.flatnonzero(world.visits(morning, day))
        times = world.novelty(novelty)
        happened = {
            kind: world.draws(day, kind)
            < chances.control[kind] + assigned.treated * chances.added(kind, times)
            for kind in KINDS
        }
        lost = world.hardships.losses & (world.draws(day, "lost") < LOST)
        return Day(
            day=day,
            morning=morning,
            assigned=assigned,
            novelty=novelty,
            place=place,
            at=DAY * (_FROM + _FOR * world.draws(day, "time of visit"))[place],
            chances=chances.take(place),
            logged=~lost[place],
            happened={kind: happened[kind][place] for kind in KINDS},
            delays={kind: delays(world, day, kind)[place] for kind in KINDS},
        )


def delays(world: World, day: int, kind: str) -> Floats:
    """(n,) seconds from a visit of a day to what comes of it."""
    if not world.hardships.delays:
        return np.full(world.users, _AT_ONCE)
    mean, longest = _DELAYS[kind]
    drawn = world.draws(day, f"{kind} after")
    return np.asarray(_AT_ONCE - mean * np.log1p(drawn * np.expm1(-longest / mean)))


def share_by(world: World, kind: str, seconds: Floats) -> Floats:
    """(...,) the share of what comes of visits that has come before so many seconds (...,) after them."""
    since = seconds - _AT_ONCE
    if not world.hardships.delays:
        return np.asarray(since > 0, dtype=np.float64)
    mean, longest = _DELAYS[kind]
    return np.asarray(np.expm1(-np.clip(since, 0.0, longest) / mean) / np.expm1(-longest / mean))
