"""Who chooses what customers are sent: the published sends, marketing's rule, or somebody who knows all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.marketing_templates.templates import (
    ARMS,
    CHANNELS,
    FEATURES,
    NOTHING,
    TYPES,
    offered,
)
from nightslate.worlds.marketing_templates.world import TENURES, ZONES, Customers, World
from nightslate.worlds.published_slates import sends_of_day, users_of_variant

RULE = "rule"
"""The variant of customers whom marketing sends what its rule says."""

_PREFERRED = tuple(CHANNELS.index(channel) for channel in ("push", "email", "text"))
_WITHIN = 1200.0
"""Seconds that it takes until all that is due at one time has gone out."""

_DECIDED_AT = 14_400.0
"""When it is known that a customer is sent nothing, in seconds of the day."""


class Moment(NamedTuple):
    """What a decider sees of a day: all customers, who of them may be sent anything (n,), and how many
    messages each got in the week before (n,)."""

    day: int
    people: Customers
    reached: Bools
    tired: Ints

    @property
    def eligible(self) -> Bools:
        """(n, arms): what may be sent, by consent, and nothing."""
        may = np.hstack([self.people.consent, np.ones((len(self.people), 1), dtype=np.bool_)])
        return np.asarray(may[:, FEATURES["channel"][1]] & offered(self.day))


class Decisions(NamedTuple):
    """What is sent on a day, one decision a row: the `place` of the customer, of the arm, when in seconds of
    the day, and which arms it could have been (m, arms). `slate_id` where a slate says so, and the variant of
    the experiment, both null in populations that are nobody's logs."""

    place: Ints
    arm: Ints
    at: Floats
    eligible: Bools
    slate_id: pa.Array
    variant: pa.Array


class Decider(Protocol):
    """Chooses for the customers of a day."""

    def __call__(self, moment: Moment) -> Decisions:
        """At most one decision for each customer."""


@dataclass(frozen=True)
class PublishedSends:
    """Sends what the sends of the day say, when they say so. Customers whom the experiment deals to the
    variant `rule` are sent what marketing's rule says. `sends`, `assignments`: the folders of these
    tables."""

    world: World
    first_day: date
    sends: Path
    assignments: Path
    pseudonymise: Pseudonymiser

    def __call__(self, moment: Moment) -> Decisions:
        """Both tables are read as any reader does; sends, but of those who have no consent any more."""
        users = self.pseudonymise(pa.array(moment.people.ids, pa.string()))
        decisions = together(self._by_sends(moment, users), self._by_rule(moment, users))
        some = moment.people.take(decisions.place)
        at = decisions.at + _WITHIN * self.world.draws(some, moment.day, "goes out")
        return decisions._replace(at=np.where(decisions.arm == NOTHING, _DECIDED_AT, at))

    def _by_sends(self, moment: Moment, users: pa.Array) -> Decisions:
        today = self._today(moment)
        sends = sends_of_day(self.sends, today)
        sends = sends.filter(pc.or_kleene(pc.is_null(sends["reason"]), pc.equal(sends["reason"], "nothing")))
        place = _places(sends["user_id"].combine_chunks(), users)
        seconds = (sends["send_at"].to_numpy() - np.datetime64(today, "us")) / np.timedelta64(1, "s")
        slate_id, variant = (sends[name].combine_chunks() for name in ("slate_id", "variant"))
        arm = _places(sends["arm_id"].combine_chunks(), pa.array(ARMS))
        return Decisions(place, arm, seconds, moment.eligible[place], slate_id, variant)

    def _by_rule(self, moment: Moment, users: pa.Array) -> Decisions:
        today = self._today(moment)
        place = np.sort(_places(users_of_variant(self.assignments, today, RULE), users))
        arm, at = MarketingRule(self.world).arms(moment)[place], noon(moment.people.take(place), today)
        no_slate, variant = pa.nulls(len(place), pa.string()), pa.repeat(RULE, len(place))
        return Decisions(place, arm, at, moment.eligible[place], no_slate, variant)

    def _today(self, moment: Moment) -> date:
        return self.first_day + timedelta(days=moment.day)


def together(one: Decisions, other: Decisions) -> Decisions:
    """Those of some customers, and of others."""
    return Decisions(
        place=np.concatenate([one.place, other.place]),
        arm=np.concatenate([one.arm, other.arm]),
        at=np.concatenate([one.at, other.at]),
        eligible=np.concatenate([one.eligible, other.eligible]),
        slate_id=pa.concat_arrays([one.slate_id, other.slate_id]),
        variant=pa.concat_arrays([one.variant, other.variant]),
    )


def _places(values: pa.Array, among: pa.Array) -> Ints:
    """(n,): where each is, of values that are all there."""
    return np.asarray(pc.index_in(values, among).to_numpy(), dtype=np.int64)


@dataclass(frozen=True)
class MarketingRule:
    """What marketing does today: discounts for customers of a year or more, news for the young, upsell for
    all others; by push where there is consent, else by email, else by text. Of the templates of that type and
    channel each customer gets one after another, in an order of their own."""

    world: World

    def __call__(self, moment: Moment) -> Decisions:
        """To everyone who may be sent anything."""
        return decided(moment, self.arms(moment))

    def arms(self, moment: Moment) -> Ints:
        """(n,): what each customer would be sent; nothing where no channel reaches."""
        people, eligible = moment.people, moment.eligible
        kind = np.where(people.age == 0, TYPES.index("news"), TYPES.index("upsell"))
        kind = np.where(people.days >= TENURES[1], TYPES.index("discount"), kind)
        order = np.array(_PREFERRED)
        channel = order[people.consent[:, order].argmax(axis=1)]
        fits = (
            eligible & (FEATURES["type"][1] == kind[:, None]) & (FEATURES["channel"][1] == channel[:, None])
        )
        count = np.maximum(fits.sum(axis=1), 1)
        turn = (self.world.draws(people, 0, "turn") * count).astype(np.int64) + moment.day
        nth = np.cumsum(fits, axis=1) > (turn % count)[:, None]
        return np.where(fits.any(axis=1), nth.argmax(axis=1), NOTHING)


@dataclass(frozen=True)
class FullKnowledge:
    """Sends what earns most, by the chances that only the world knows, those of every customer by itself, to
    those who may be sent anything. It weighs one message at a time, as if none followed it."""

    world: World
    values: Mapping[str, float]

    def __call__(self, moment: Moment) -> Decisions:
        """The arm of most worth, nothing among them."""
        worth = self.world.chances(moment.people, moment.tired).worth(self.values)
        return decided(moment, np.where(moment.eligible, worth, -np.inf).argmax(axis=1))


def decided(moment: Moment, arm: Ints) -> Decisions:
    """Decisions for all who may be sent anything, of an arm for each customer (n,), that no log names."""
    place = np.flatnonzero(moment.reached)
    nobody = pa.nulls(len(place), pa.string())
    return Decisions(
        place, arm[place], np.full(len(place), _DECIDED_AT), moment.eligible[place], nobody, nobody
    )


def noon(people: Customers, today: date) -> Floats:
    """(n,): noon of customers by their own clock, in seconds of the UTC day."""
    of_zone = []
    for zone in ZONES:
        at = datetime(today.year, today.month, today.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        of_zone.append((at - datetime(today.year, today.month, today.day, tzinfo=UTC)).total_seconds())
    return np.array(of_zone)[people.region]
