"""All customers of a world under one decider: day by day what is sent, what comes of it, and who has had
enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.marketing_templates.rec_engine import Decider, Decisions, Moment
from nightslate.worlds.marketing_templates.templates import FEATURES, NOTHING
from nightslate.worlds.marketing_templates.world import BOUNCES, WEEK, Chances, Customers, World

OUTCOMES_SHOWN = ("opened", "clicked", "purchased", "unsubscribed")


class Day(NamedTuple):
    """What happened on a day. `morning`: all customers with their consents as it began, and how many messages
    each had got in the week before (n,). Of its decisions (m,): whether something was `delivered` or
    `bounced`; `chances` (m, arms) of what comes of a delivered message, and by kind of outcome what
    `happened` (m,). A mail proxy opens whatever it gets."""

    day: int
    morning: Customers
    tired: Ints
    decisions: Decisions
    delivered: Bools
    bounced: Bools
    chances: Chances
    happened: dict[str, Bools]


@dataclass
class Population:
    """Customers of whom nobody gets more than `most` messages in a week; the days come in order. Nobody is
    sent anything on the first day in the logs, for no night knew of them before it."""

    world: World
    most: int
    decide: Decider
    _recent: Bools = field(init=False)
    _subscribed: Bools = field(init=False)

    def __post_init__(self) -> None:
        self._recent = np.zeros((self.world.users, WEEK), dtype=np.bool_)
        self._subscribed = np.ones(self.world.users, dtype=np.bool_)

    @property
    def subscribed(self) -> Bools:
        """(n,): who has not unsubscribed, as the last day that was played left them."""
        return self._subscribed

    def customers(self, day: int) -> Customers:
        """All of them on a day, with the consents that they have not taken back."""
        people = self.world.customers(day)
        return replace(people, consent=people.consent & self._subscribed[:, None])

    def play(self, day: int) -> Day:
        """A day from morning to night."""
        people, tired = self.customers(day), self._recent.sum(axis=1)
        reached = people.consent.any(axis=1) & (tired < self.most) & (people.joins < day)
        decisions = self.decide(Moment(day, people, reached, tired))
        some = people.take(decisions.place)
        sent = decisions.arm != NOTHING
        bounced = sent & (self.world.draws(some, day, "bounces") < BOUNCES)
        delivered = sent & ~bounced
        chances = self.world.chances(some, tired[decisions.place])
        happened = self._happened(some, day, decisions, delivered, chances)
        self._recent = np.roll(self._recent, 1, axis=1)
        self._recent[:, 0] = False
        self._recent[decisions.place[delivered], 0] = True
        self._subscribed = self._subscribed.copy()
        self._subscribed[decisions.place[happened["unsubscribed"]]] = False
        return Day(day, people, tired, decisions, delivered, bounced, chances, happened)

    def _happened(
        self, some: Customers, day: int, decisions: Decisions, delivered: Bools, chances: Chances
    ) -> dict[str, Bools]:
        """One draw for what follows from interest, so that nobody buys who has not clicked."""
        interest, leaves = (self.world.draws(some, day, what) for what in ("responds", "unsubscribes"))
        happened = {
            kind: delivered
            & ((leaves if kind == "unsubscribed" else interest) < at_arms(getattr(chances, kind), decisions))
            for kind in OUTCOMES_SHOWN
        }
        by_email = FEATURES["channel"][1][decisions.arm] == 0
        return {**happened, "proxy_open": delivered & by_email & self.world.by_proxy(some)}


def at_arms(values: Floats, decisions: Decisions) -> Floats:
    """(m,): of values (m, arms) those of the arms that were chosen."""
    return values[np.arange(len(decisions.arm)), decisions.arm]
