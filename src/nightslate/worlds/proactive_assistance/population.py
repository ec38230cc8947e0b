"""A population under a decider: day by day who visits, what is shown, what it does, and who cancels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import uniform
from nightslate.programs import Program
from nightslate.worlds.landing_files import names_at
from nightslate.worlds.proactive_assistance.activity import (
    AFTER_VISIT,
    MICROSECONDS_OF_A_DAY,
    Events,
    Signs,
    Visits,
    events_of,
    visits_of,
)
from nightslate.worlds.proactive_assistance.rec_engine import Decider, Decisions, Moment
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.world import Lives, World, put


class Day(NamedTuple):
    """What happened on a day. `morning`: how all users were as it began, before anything was shown. `opened`
    (m,): which decisions' help was opened, and (m,) how likely that was. `cancels` (n,): how likely each user
    was to cancel at its end, and `cancelled` (n,) who did."""

    day: int
    morning: Lives
    visits: Visits
    events: Events
    decisions: Decisions
    opened: Bools
    likely_opened: Floats
    cancels: Floats
    cancelled: Bools


@dataclass
class Population:
    """All subscriptions of a world under one decider; the days come in order."""

    world: World
    program: Program
    decide: Decider
    _generation: Ints = field(init=False)
    _joined: Ints = field(init=False)
    _lives: Lives = field(init=False)
    signs: Signs = field(init=False)

    def __post_init__(self) -> None:
        self._generation = np.zeros(self.world.users, dtype=np.int64)
        self._joined = np.zeros(self.world.users, dtype=np.int64)
        self._lives = self.world.new(self.world.people(self._generation))
        self.signs = Signs(self.program)

    @property
    def first_ones(self) -> Bools:
        """(n,): which subscriptions are held by who held them on the first day."""
        return np.asarray(self._generation == 0)

    def play(self, day: int) -> Day:
        """A day from morning to night; who cancels has made room for somebody new when it is over."""
        world = self.world
        morning = world.begin_day(self._lives, day)
        visits = visits_of(world, morning, day)
        events = events_of(world, morning, visits, day)
        visitors = morning.people.take(visits.place)
        moment = Moment(
            day=day,
            lives=morning,
            visits=visits,
            events=events,
            concerned=self.signs.concerned(visitors, day),
            fresh=self._joined[visits.place] == day,
        )
        decisions = self.decide(moment)
        self.signs.add(day, events, _impressions(morning, decisions, day))
        evening, opened, likely = _shown(world, morning, decisions, day)
        cancels = world.cancels(evening, day)
        cancelled = uniform(world.keys(evening.people, "cancels", day)) < cancels
        self._replace(evening, cancelled, day)
        return Day(day, morning, visits, events, decisions, opened, likely, cancels, cancelled)

    def _replace(self, evening: Lives, cancelled: Bools, day: int) -> None:
        self._generation = self._generation + cancelled
        self._joined = np.where(cancelled, day + 1, self._joined)
        new = np.flatnonzero(cancelled)
        fresh = self.world.new(self.world.people(self._generation).take(new))
        self._lives = put(evening, new, fresh)

    @property
    def subscribers(self) -> Lives:
        """Everybody as the last day that was played left them, new ones included."""
        return self._lives


def _impressions(lives: Lives, decisions: Decisions, day: int) -> Events:
    """What was shown, as features look at it."""
    columns = {"arm_id": names_at(ARMS, decisions.arm), "issue": names_at(ISSUES, decisions.issue)}
    at = day * MICROSECONDS_OF_A_DAY + ((decisions.at + AFTER_VISIT) * 1e6).astype(np.int64)
    return Events(lives.people.number[decisions.place], at, pa.table(columns))


def _shown(world: World, lives: Lives, decisions: Decisions, day: int) -> tuple[Lives, Bools, Floats]:
    """Everybody after what was shown, whose help was opened (m,), and how likely that was (m,)."""
    some, issue, arm = lives.take(decisions.place), decisions.issue, decisions.arm
    row = np.arange(len(some))
    solves = world.solves(some, issue, day)
    works = world.draws(some.people, issue, day, "solves") < solves[row, arm]
    likely = world.opens(solves)[row, arm]
    opened = world.draws(some.people, issue, day, "opens") < likely
    return put(lives, decisions.place, world.after_help(some, issue, arm, works, day)), opened, likely
