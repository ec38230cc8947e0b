"""The rec engine of the campaigns: a step is an hour, and every day the campaign of a new cohort begins. It
takes the newest slate of whoever gets an offer and makes the first offer of its ranking. Whoever has none, or
gets a second offer on the same day, gets anything at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Floats, Ints
from nightslate.core.hashing import seed
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.next_best_action.world import ARMS, OFFERS, STEPS, UNIFORM, Campaign, World
from nightslate.worlds.published_slates import newest_slates

HOURS = 24
BEGINS_AT = 10
"""The hour at which campaigns begin. Slates are made for days, and so most offers have a day of their own."""

DAYS = -(-(BEGINS_AT + STEPS) // HOURS)
"""A campaign runs on so many days."""


@dataclass(eq=False)
class Cohort:
    """Customers whose campaign begins on the same day.

    variants (n,): the variant of the experiment that each was in at the last offer, None before any that a
    slate made."""

    begins: date
    campaign: Campaign
    variants: AnyArray = field(init=False)

    def __post_init__(self) -> None:
        self.variants = np.full(self.world.customers, None, dtype=object)

    @property
    def world(self) -> World:
        return self.campaign.world

    @cached_property
    def ids(self) -> list[str]:
        return [f"customer-{self.begins}-{number}" for number in range(self.world.customers)]

    def steps(self, day: date) -> range:
        """Those of a day."""
        first = (day - self.begins).days * HOURS - BEGINS_AT
        start, stop = np.clip([first, first + HOURS], 0, STEPS).tolist()
        return range(start, stop)

    def is_over(self, day: date) -> bool:
        """Whether nothing happens any more after this day."""
        return self.steps(day).stop == STEPS

    def states_after(self, day: date) -> Floats:
        """(n, 5): of all customers at the end of a day, which may be before the first."""
        at = np.full(self.world.customers, self.steps(day).stop)
        return self.campaign.states(np.arange(self.world.customers), at)

    def offer(self, day: date, slates: pa.RecordBatch) -> Iterator[Offers]:
        """Make the offers of a day, by the slates of all customers. A slate decides once: its propensities
        are not those of a second offer, which would be the same again."""
        decided = np.zeros(self.world.customers, dtype=np.bool_)
        for number in range(1, OFFERS + 1):
            who = np.flatnonzero(np.isin(self.world.times[:, number - 1], self.steps(day)))
            step = self.world.times[who, number - 1]
            mine = slates.take(pa.array(who, mask=decided[who]))
            states = self.campaign.states(who, step)
            actions = self.world.choose(UNIFORM(states), who, number)
            known = mine["ranking"].is_valid().to_numpy(zero_copy_only=False)
            first = pc.list_element(mine["ranking"].drop_null(), 0)
            actions[known] = pc.index_in(first, pa.array(ARMS)).to_numpy()
            self.campaign.offer(who, step, actions)
            decided[who] = True
            self.variants[who[known]] = mine["variant"].drop_null().to_pylist()
            yield Offers(self, who, number, step, states, actions, mine["slate_id"], mine["variant"])


@dataclass(frozen=True, eq=False)
class Offers:
    """Offers of one number that customers of a cohort got on a day: who, step and actions are (m,), states
    (m, 5), slate_id and variant (m,) null where the offer is random."""

    cohort: Cohort
    who: Ints
    number: int
    step: Ints
    states: Floats
    actions: Ints
    slate_id: pa.Array
    variant: pa.Array

    @property
    def place(self) -> Ints:
        """(m,): how many offers their customers got before them in the same step."""
        earlier = self.cohort.world.times[self.who, : self.number - 1]
        return np.asarray((earlier == self.step[:, None]).sum(axis=1))


@dataclass
class RecEngine:
    """Makes the offers of all campaigns, day by day. `folder`: of the table of slates."""

    users: int
    seed: int
    first_day: date
    folder: Path
    pseudonymise: Pseudonymiser
    _cohorts: dict[date, Cohort] = field(default_factory=dict, init=False)

    def running(self, day: date) -> list[Cohort]:
        """The cohorts whose campaign runs on a day, the oldest first."""
        ages = range(min(DAYS - 1, (day - self.first_day).days), -1, -1)
        return [self.cohort(day - timedelta(days=age)) for age in ages]

    def cohort(self, begins: date) -> Cohort:
        """The one whose campaign begins on a day."""
        if begins not in self._cohorts:
            world = World(self.users, seed("cohort", str(self.seed), begins.isoformat()))
            self._cohorts[begins] = Cohort(begins, Campaign(world))
        return self._cohorts[begins]

    def show(self, day: date) -> list[Offers]:
        """All offers of a day; the days must come in order."""
        running = self.running(day)
        users = self.pseudonymise(pa.array([customer for cohort in running for customer in cohort.ids]))
        slates = newest_slates(self.folder, day, users)
        return [
            offers
            for place, cohort in enumerate(running)
            for offers in cohort.offer(day, slates.slice(place * self.users, self.users))
        ]
