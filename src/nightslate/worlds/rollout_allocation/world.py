"""The users of an app with a new checkout: what each does, and what either checkout makes of it.

Every draw is a hash of the seed, of the user, of the day and of what it is for, so a user meets the same luck
in either variant and under any shares: two ways to assign differ by who is where, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.worlds.rollout_allocation.incidents import Incidents

REGIONS = ("north", "east", "south", "west")
DEVICES = ("new_phone", "desktop", "old_phone")
PLANS = ("free", "plus", "business")
OLD, SOUTH = DEVICES.index("old_phone"), REGIONS.index("south")
BETA, LOCATED = 0.01, 0.97
"""The shares of users who have asked to try what is new, and who agree to its being used where they are."""

_DEVICE_SHARES, _PLAN_SHARES = (0.42, 0.42, 0.16), (0.6, 0.3, 0.1)
_ON_THE_FIRST_DAY, _LAST_JOINS = 0.1, 24
"""The share of users who are there on the first day, and the day up to which the others come, some each."""

_LONGEST_TENURE = 1500
_CHANGES_DEVICE, _CHANGES_WITHIN = 0.3, 60
_RECREATED, _GONE_FROM, _GONE_WITHIN, _AWAY = 0.03, 5, 30, 3
"""The share of users who leave and are created again, with the same id, days after that; from when on, within
how many days, and for how many."""

NEVER = 1 << 30

_VISITS, _SPREAD_OF_VISITS = 0.4, 0.5
_PURCHASES, _OF_OLD, _SPREAD_OF_KEENNESS = np.array([0.12, 0.18, 0.26]), 0.4, 0.4
_LONG_STANDING, _OF_LONG_STANDING = 180, 0.35
_TROUBLE, _TROUBLE_OF_OLD = 0.03, 2.0
"""Of a visit under the control: the chance of a purchase by PLANS; what is left of it on an old phone, and
for who has been a customer for so many days and has most things by now; that of trouble, and how many times
that is on an old phone; it is twice as likely for who sees many errors."""

_ERRORS, _SPREAD_OF_ERRORS = np.array([0.15, 0.15, 0.6]), 0.9
_SLOW = np.array([0.1, 0.1, 0.5])
_MANY = 0.6
"""Errors and slow pages of a visit by DEVICES, and from which mean of errors on there are many."""

_HELPS = {"purchase": 0.025, "trouble": -0.01}
_ON_OLD = {"purchase": -0.055, "trouble": 0.07}
_WITH_MANY_ERRORS = {"purchase": -0.025, "trouble": 0.04}
_IN_THE_SOUTH = {"purchase": -0.02, "trouble": 0.015}
_IN_INCIDENT = {"purchase": -0.04, "trouble": 0.05}
"""What the treatment adds to the chances of a visit; in an incident, times its severity."""

KINDS = ("purchase", "trouble")
_MOST = 0.95

NOVELTY, _NOVELTY_LASTS = 0.5, 3.0
"""How much larger effects are on a user's first day in the treatment, and days until a third of that is
left."""


@dataclass(frozen=True)
class Hardships:
    """What makes the world hard; each can be turned off."""

    risk: bool = True
    incidents: bool = True
    delays: bool = True
    device_changes: bool = True
    recreated: bool = True
    losses: bool = True
    novelty: bool = True


@dataclass(frozen=True, eq=False)
class People:
    """All users that ever come, all (n,): places in REGIONS and PLANS, of the first and the second of DEVICES
    and the day that it is changed on; whether they ask for what is new, and agree to the use of their region;
    the day they come, and that from which they are away; days as a customer when they come; and what no log
    says: how many errors they meet for a device, how often they visit, and how keen they are to buy."""

    key: Keys
    region: Ints
    plan: Ints
    devices: tuple[Ints, Ints]
    changes_on: Ints
    beta: Bools
    located: Bools
    joins: Ints
    gone_on: Ints
    tenure: Ints
    errors: Floats
    visits: Floats
    keenness: Floats

    @property
    def ids(self) -> list[str]:
        return [f"user-{number}" for number in range(len(self.key))]


@dataclass(frozen=True, eq=False)
class Morning:
    """What there is to know of all users on a day, all (n,): whether they are there, the place of the device,
    and days as a customer since they were created."""

    present: Bools
    device: Ints
    tenure: Ints


@dataclass(frozen=True, eq=False)
class Chances:
    """Of what comes of a visit on a day, by KINDS, each (n,): under the control; what the treatment adds to
    that in the long run; and what it adds in an incident."""

    control: dict[str, Floats]
    lasting: dict[str, Floats]
    incident: dict[str, Floats]

    def added(self, kind: str, novelty: Floats) -> Floats:
        """(..., n) what the treatment adds, where effects are so many times (..., n) those that last."""
        treated = self.control[kind] + self.lasting[kind] * novelty + self.incident[kind]
        return np.asarray(np.clip(treated, 0.0, _MOST) - self.control[kind])

    @property
    def without_incidents(self) -> Chances:
        """The same on a day on which nothing happens outside."""
        return replace(self, incident={kind: np.zeros_like(each) for kind, each in self.incident.items()})

    def take(self, at: Ints) -> Chances:
        """Of some users."""
        return Chances(*({kind: values[at] for kind, values in part.items()} for part in vars(self).values()))


@dataclass(frozen=True)
class World:
    """So many users that come one after another. Days count from 0, the first day of the program."""

    users: int
    seed: int
    hardships: Hardships = Hardships()

    @cached_property
    def people(self) -> People:
        """All of them."""
        key = mix(np.arange(self.users, dtype=np.uint64), self._seed_for("user"))
        draw = {
            what: uniform(mix(key, self._seed_for(what)))
            for what in ("region", "plan", "device", "next device", "changes", "changes on", "beta",
                         "located", "joins", "recreated", "gone on", "tenure", "errors", "visits", "keenness")
        }  # fmt: skip
        joins = 1 + (_LAST_JOINS * (draw["joins"] - _ON_THE_FIRST_DAY) / (1 - _ON_THE_FIRST_DAY)).astype(int)
        joins = np.where(draw["joins"] < _ON_THE_FIRST_DAY, 0, joins)
        gone_on = np.maximum(joins, _GONE_FROM) + (_GONE_WITHIN * draw["gone on"]).astype(np.int64)
        changes, recreated = self.hardships.device_changes, self.hardships.recreated
        return People(
            key=key,
            region=(len(REGIONS) * draw["region"]).astype(np.int64),
            plan=_one_of(_PLAN_SHARES, draw["plan"]),
            devices=(_one_of(_DEVICE_SHARES, draw["device"]), _one_of(_DEVICE_SHARES, draw["next device"])),
            changes_on=np.where(
                changes & (draw["changes"] < _CHANGES_DEVICE),
                1 + (_CHANGES_WITHIN * draw["changes on"]).astype(np.int64),
                NEVER,
            ),
            beta=draw["beta"] < BETA,
            located=draw["located"] < LOCATED,
            joins=joins,
            gone_on=np.where(recreated & (draw["recreated"] < _RECREATED), gone_on, NEVER),
            tenure=np.where(joins == 0, (_LONGEST_TENURE * draw["tenure"]).astype(np.int64), 0),
            errors=_spread(draw["errors"], _SPREAD_OF_ERRORS),
            visits=_VISITS * _spread(draw["visits"], _SPREAD_OF_VISITS),
            keenness=_spread(draw["keenness"], _SPREAD_OF_KEENNESS),
        )

    @cached_property
    def incidents(self) -> Incidents:
        """In which regions, and when."""
        return Incidents(self.seed, len(REGIONS), self.hardships.incidents)

    def morning(self, day: int) -> Morning:
        """All users on a day."""
        people = self.people
        back = people.gone_on + _AWAY
        away = (people.gone_on <= day) & (day < back)
        before, after = people.devices
        return Morning(
            present=(people.joins <= day) & ~away,
            device=np.where(people.changes_on <= day, after, before),
            tenure=np.where(day >= back, day - back, people.tenure + day - people.joins),
        )

    def visits(self, morning: Morning, day: int) -> Bools:
        """(n,) who visits the app on a day, once: surely on that on which they come."""
        comes = self.draws(day, "visits") < -np.expm1(-self.people.visits)
        return np.asarray(morning.present & (comes | (self.people.joins == day)))

    def errors_of_visit(self, morning: Morning) -> Floats:
        """(n,) the mean number of errors of a visit."""
        return np.asarray(_ERRORS[morning.device] * self.people.errors)

    def slow_pages_of_visit(self, morning: Morning) -> Floats:
        """(n,) the mean number of slow pages of a visit."""
        return np.asarray(_SLOW[morning.device])

    def chances(self, morning: Morning, day: int) -> Chances:
        """Of a visit of each user on a day."""
        people = self.people
        old, many = morning.device == OLD, self.errors_of_visit(morning) > _MANY
        bought = _PURCHASES[people.plan] * people.keenness * np.where(old, _OF_OLD, 1.0)
        bought *= np.where(morning.tenure >= _LONG_STANDING, _OF_LONG_STANDING, 1.0)
        trouble = _TROUBLE * np.where(old, _TROUBLE_OF_OLD, 1.0) * (1 + many)
        severity = self.incidents.severity(people.region, day)
        at_risk = ((_ON_OLD, old), (_WITH_MANY_ERRORS, many), (_IN_THE_SOUTH, people.region == SOUTH))
        return Chances(
            control={"purchase": np.minimum(bought, _MOST), "trouble": np.asarray(trouble)},
            lasting={kind: self._lasting(kind, at_risk) for kind in KINDS},
            incident={kind: _IN_INCIDENT[kind] * severity for kind in KINDS},
        )

    def _lasting(self, kind: str, at_risk: Iterable[tuple[Mapping[str, float], Bools]]) -> Floats:
        """(n,) what the treatment adds in the long run: for all, and for users (n,) at risk of something."""
        found = np.full(self.users, _HELPS[kind])
        if self.hardships.risk:
            for added, of in at_risk:
                found += added[kind] * of
        return found

    def novelty(self, days: Ints) -> Floats:
        """(...,) how many times what lasts effects are, so many days (...,) after the first in the
        treatment."""
        if not self.hardships.novelty:
            return np.ones(np.shape(days))
        return np.asarray(1.0 + NOVELTY * np.exp(-np.maximum(days, 0) / _NOVELTY_LASTS))

    def draws(self, day: int, what: str) -> Floats:
        """(n,) uniform, of a day and for one purpose."""
        return uniform(self.keys(day, what))

    def keys(self, day: int, what: str) -> Keys:
        """(n,) of each user, of a day and for one purpose."""
        return mix(self.people.key, self._seed_for(what, day))

    def _seed_for(self, *what: object) -> int:
        return seed("rollout_allocation", str(self.seed), *map(str, what))


def _one_of(shares: tuple[float, ...], drawn: Floats) -> Ints:
    """(n,) places, each with its share."""
    return np.searchsorted(np.cumsum(shares)[:-1], drawn, side="right")


def _spread(drawn: Floats, spread: float) -> Floats:
    """(n,) log-normal about a median of 1."""
    return np.asarray(np.exp(spread * ndtri(drawn)))
