"""What it does to a user to be assigned the treatment first rather than the control: exactly, in expectation.

That is what readouts estimate. Who is in a variant first need not stay there, so either first variant is
followed through the moves that shares make likely on each day, as in `core.allocation.transitions`. Visits
are the same in both; what differs is how likely each shows the treatment, and with it the chances of what
comes of it in the window of the metric. In this world no one's features and scores follow from the variant,
so the shares of a user are the same on either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nightslate.core.allocation import sticky_probabilities
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.rollout_allocation.app import CONTROL, TREATMENT, VARIANTS
from nightslate.worlds.rollout_allocation.population import DAY, Day, share_by
from nightslate.worlds.rollout_allocation.world import DEVICES, KINDS, NEVER, REGIONS, World


class Counted(NamedTuple):
    """What a metric counts of each user: outcomes of a kind, in so many seconds since the first exposure."""

    kind: str
    window: float


class _Visits(NamedTuple):
    """Of a day, (v,) each: the user, when, and by kind of outcome how much likelier it is after the treatment
    as the first variant."""

    place: Ints
    at: Floats
    gap: dict[str, Floats]


@dataclass
class _Ways:
    """Of u users who were in one variant first, how likely each is in which by now: `never` (u,) treated yet;
    by the day of the first treatment (days, u), in the treatment, `there`, or out of it again, `left`."""

    never: Floats
    there: Floats
    left: Floats

    @classmethod
    def of_nobody(cls, users: int) -> _Ways:
        return cls(np.zeros(users), np.zeros((0, users)), np.zeros((0, users)))

    def begin(self, day: int, who: Bools, treated: bool) -> None:
        """On a day, the first of some users (u,)."""
        self._reach(day)
        self.never[who] = not treated
        self.there[day, who] = treated

    def move(self, day: int, leaves: Floats, joins: Floats) -> None:
        """From the day before: how likely each (u,) leaves the treatment, and joins it."""
        self._reach(day)
        stay, back = self.there * (1 - leaves), self.left * joins
        self.left = self.left * (1 - joins) + self.there * leaves
        self.there = stay + back
        self.there[day] += self.never * joins
        self.never = self.never * (1 - joins)

    def _reach(self, day: int) -> None:
        more = np.zeros((day + 1 - len(self.there), self.never.size))
        self.there, self.left = (np.concatenate([each, more]) for each in (self.there, self.left))


@dataclass
class FirstAssignments:
    """The effect of each user's first assignment, day by day and in order. sticky: whether who is in a
    variant stays as long as shares allow."""

    world: World
    sticky: bool
    first_day: Ints = field(init=False)
    first_share: Floats = field(init=False)
    exposed: Floats = field(init=False)
    _cells: dict[str, Ints] = field(init=False)
    _ways: tuple[_Ways, ...] = field(init=False)
    _shares: Floats = field(init=False)
    _days: list[_Visits] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        n = self.world.users
        self.first_day, self.first_share = np.full(n, NEVER), np.full(n, np.nan)
        self.exposed = np.full(n, np.inf)
        people = self.world.people
        region = np.where(people.located, people.region, len(REGIONS))
        self._cells = {"region": region, "device": np.full(n, -1)}
        self._ways = tuple(_Ways.of_nobody(n) for _ in VARIANTS)
        self._shares = np.full((n, len(VARIANTS)), np.nan)

    def add(self, day: Day) -> None:
        """A day as the app played it."""
        self._assign(day)
        times = self.world.novelty(day.day - np.arange(day.day + 1))[:, None]
        control, treatment = (ways.there[:, day.place] for ways in self._ways)
        gap = {kind: ((treatment - control) * day.chances.added(kind, times)).sum(axis=0) for kind in KINDS}
        at = day.day * DAY + day.at
        self._days.append(_Visits(day.place, at, gap))
        shown = day.logged & (self.first_day[day.place] <= day.day) & (at < self.exposed[day.place])
        self.exposed[day.place[shown]] = at[shown]
        self._cells["device"][day.place[shown]] = day.morning.device[day.place[shown]]

    def counts(self, counted: Counted, until: int) -> Bools:
        """(n,) the users whom readouts speak of after so many days: both variants were possible at first, and
        their time is over."""
        possible = (self.first_share > 0) & (self.first_share < 1)
        return np.asarray(possible & (self.exposed + counted.window <= until * DAY))

    def effects(self, counted: Counted) -> Floats:
        """(n,) by how much the first assignment changes what is counted of each user."""
        found, begin = np.zeros(self.world.users), self.exposed
        for visits in self._days:
            since = begin[visits.place] - visits.at
            within = share_by(self.world, counted.kind, since + counted.window)
            within -= share_by(self.world, counted.kind, since)
            found[visits.place] += visits.gap[counted.kind] * within
        return found

    def cells(self, segment: str) -> Mapping[str | None, Bools]:
        """(n,) the users of each value of a column of contexts, as of their first exposure; None of those of
        whom nobody may know it."""
        names = {"region": (*REGIONS, None), "device": DEVICES}[segment]
        return {name: self._cells[segment] == place for place, name in enumerate(names)}

    def _assign(self, day: Day) -> None:
        assigned = day.assigned
        first = assigned.known & (self.first_day == NEVER)
        moved = assigned.known & ~first
        leaves, joins = self._moves(moved, assigned.shares)
        for place, ways in enumerate(self._ways):
            ways.move(day.day, leaves, joins)
            ways.begin(day.day, first, place == TREATMENT)
        self.first_day[first] = day.day
        self.first_share[first] = assigned.shares[first, TREATMENT]
        self._shares[assigned.known] = assigned.shares[assigned.known]

    def _moves(self, who: Bools, now: Floats) -> tuple[Floats, Floats]:
        """(n,) each: how likely some users leave the treatment, if they are in it, and join it, if not."""
        likely = np.zeros((len(VARIANTS), self.world.users))
        for variant, other in ((CONTROL, TREATMENT), (TREATMENT, CONTROL)):
            mine = np.flatnonzero(who & (self._shares[:, variant] > 0))
            given = now[mine]
            if self.sticky:
                given = sticky_probabilities(self._shares[mine], given, np.full(len(mine), variant))
            likely[variant, mine] = given[:, other]
        return likely[TREATMENT], likely[CONTROL]
