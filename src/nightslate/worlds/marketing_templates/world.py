"""The customers of a shop, and what each would do about each template, tired of messages or not.

Every draw is a hash of the seed, of the customer, of the day and of what it is for, so a customer meets the
same luck under every policy: two policies differ by what they send and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.worlds.marketing_templates.templates import ARMS, CHANNELS, FEATURES, NOTHING, ORDER_VALUES

AGE_BANDS = ("under_30", "30_to_44", "45_to_59", "60_and_over")
GENDERS = ("female", "male", "not_said")
REGIONS = ("east", "central", "west", "islands")
ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Europe/London")
"""By region."""

HISTORIES = ("bargains", "regular", "occasional", "lapsed")
TENURES = (90, 365, 1095)
"""The days as a customer at which what somebody cares for changes."""

CONSENTS = np.array([0.8, 0.4, 0.5])
"""How likely a customer consents to each of CHANNELS."""

PURCHASED, CLICKED, OPENED = 0.04, 0.05, 0.25
"""What comes of a message of middling interest: the chance of a purchase; what that of a click lies above it,
and that of opening above a click's."""

UNSUBSCRIBED = 0.001
"""The chance that a customer unsubscribes who gets a message of middling interest after a week of none."""

TIRED, ANNOYED = 0.12, 0.35
"""What each message of the week before takes off the logarithm of the chance of a purchase, and adds to that
of unsubscribing."""

MISMATCH = 0.8
"""By how much the logarithm of the chance of unsubscribing falls with that of a purchase."""

BOUNCES = 0.02
BY_PROXY = 0.3
"""The share of customers whose mail is opened by a proxy, whoever reads it."""

_MOST = 0.5
_EFFECTS: Mapping[tuple[str, str], float] = {
    ("history", "type"): 0.4,
    ("history", "price"): 0.25,
    ("tenure", "type"): 0.25,
    ("age", "type"): 0.2,
    ("age", "tone"): 0.3,
    ("age", "channel"): 0.3,
    ("gender", "tone"): 0.15,
    ("region", "length"): 0.15,
}
"""How much a feature of a template moves the logarithm of the chance of a purchase, by an attribute of the
customer: standard deviations."""

_NOTICED, _BY = (("tenure", "type", (2, 3), "discount"), ("age", "type", (0,), "news")), 0.6
"""What marketing's rule goes by is true besides: discounts move those who have been customers for a year or
more, news the young."""

_OF_FEATURES, _OF_TEMPLATES, _SPREAD_OF_KEENNESS = 0.15, 0.05, 0.3
_LEVELS: Mapping[str, int] = {
    "history": len(HISTORIES),
    "tenure": len(TENURES) + 1,
    "age": len(AGE_BANDS),
    "gender": len(GENDERS),
    "region": len(REGIONS),
}
_LONGEST_TENURE = 2000

WEEK = 7
"""Customers come in over the first so many days: else all of them would reach a limit of messages at once."""


@dataclass(frozen=True, eq=False)
class Customers:
    """Who is a customer on a day; all (n,) but consent (n, channels). `number`: of the customer; `age`,
    `gender`, `region` and `history` are places in the tuples of those names, `days` those as a customer,
    `joins` the day, counted from 0, on which the customer is in the logs for the first time. What no log says
    is `keenness`, on the logarithm of all chances."""

    number: Ints
    key: Keys
    age: Ints
    gender: Ints
    region: Ints
    history: Ints
    days: Ints
    joins: Ints
    consent: Bools
    keenness: Floats

    def __len__(self) -> int:
        return len(self.number)

    @property
    def tenure(self) -> Ints:
        """(n,): 0 in the first three months, then 1 to 3."""
        return np.searchsorted(TENURES, self.days, side="right")

    @property
    def ids(self) -> list[str]:
        return [f"customer-{number}" for number in self.number]

    def take(self, at: Ints | Bools) -> Customers:
        """Some of them."""
        return Customers(**{name: values[at] for name, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Chances:
    """Of messages that are delivered, how likely each outcome is; all (n, arms), 0 of nothing. Whoever buys
    has clicked, and whoever clicks has opened."""

    purchased: Floats
    clicked: Floats
    opened: Floats
    unsubscribed: Floats

    def worth(self, values: Mapping[str, float]) -> Floats:
        """(n, arms): the expected reward, by what outcomes are worth to a program."""
        earned = values.get("purchased", 0.0) * self.purchased * ORDER_VALUES
        for kind in ("clicked", "opened", "unsubscribed"):
            earned = earned + values.get(kind, 0.0) * getattr(self, kind)
        return np.asarray(earned)


@dataclass(frozen=True)
class World:
    """So many customers (`users`). Days count from 0, the first day of the program."""

    users: int
    seed: int

    def customers(self, day: int) -> Customers:
        """All of them on a day."""
        number = np.arange(self.users)
        key = mix(number.astype(np.uint64), self._seed_for("customer"))
        channels = np.array([[self._seed_for("consent", channel) for channel in CHANNELS]], dtype=np.uint64)
        return Customers(
            number=number,
            key=key,
            age=self._one_of(key, "age", len(AGE_BANDS)),
            gender=self._one_of(key, "gender", len(GENDERS)),
            region=self._one_of(key, "region", len(REGIONS)),
            history=self._one_of(key, "history", len(HISTORIES)),
            days=self._one_of(key, "tenure", _LONGEST_TENURE) + day,
            joins=self._one_of(key, "joins", WEEK),
            consent=uniform(mix(key[:, None], channels)) < CONSENTS,
            keenness=_SPREAD_OF_KEENNESS * _normal(mix(key, self._seed_for("keenness"))),
        )

    def chances(self, people: Customers, tired: Ints) -> Chances:
        """Of each customer and arm, after so many messages (n,) in the week before."""
        interest = people.keenness[:, None] + self._interest(people)
        rested, bought = interest - TIRED * tired[:, None], np.ones(len(ARMS))
        bought[NOTHING] = 0.0
        purchased = bought * np.minimum(_MOST, PURCHASED * np.exp(rested))
        clicked = purchased + bought * CLICKED * np.exp(rested / 2)
        left = bought * UNSUBSCRIBED * np.exp(ANNOYED * tired[:, None] - MISMATCH * interest)
        return Chances(
            purchased=purchased,
            clicked=np.minimum(0.8, clicked),
            opened=bought * np.minimum(0.95, clicked + OPENED),
            unsubscribed=np.minimum(_MOST, left),
        )

    def draws(self, people: Customers, day: int, purpose: str) -> Floats:
        """(n,) uniform, of a day and for one purpose."""
        return uniform(mix(people.key, self._seed_for(purpose, day)))

    def by_proxy(self, people: Customers) -> Bools:
        """(n,): whose mail a proxy opens."""
        return np.asarray(uniform(mix(people.key, self._seed_for("proxy"))) < BY_PROXY)

    def _interest(self, people: Customers) -> Floats:
        """(n, arms): what moves the logarithm of the chance of a purchase."""
        found = np.tile(self._of_arms, (len(people), 1))
        for (attribute, feature), table in self._of_pairs.items():
            found += table[getattr(people, attribute)][:, FEATURES[feature][1]]
        return found

    @cached_property
    def _of_pairs(self) -> Mapping[tuple[str, str], Floats]:
        """Of each pair of an attribute and a feature (levels, values and nothing)."""
        tables = {}
        for (attribute, feature), spread in _EFFECTS.items():
            shape = _LEVELS[attribute], len(FEATURES[feature][0])
            table = spread * self._table(f"{attribute} x {feature}", shape)
            for of, by, levels, value in _NOTICED:
                if (of, by) == (attribute, feature):
                    table[list(levels), FEATURES[by][0].index(value)] += _BY
            tables[attribute, feature] = np.hstack([table, np.zeros((shape[0], 1))])
        return tables

    @cached_property
    def _of_arms(self) -> Floats:
        """(arms,): of each by itself, whoever the customer."""
        own = _OF_TEMPLATES * self._table("template", (len(ARMS),))
        for feature, (values, at) in FEATURES.items():
            own = own + np.append(_OF_FEATURES * self._table(feature, (len(values),)), 0.0)[at]
        return np.asarray(own)

    def _table(self, name: str, shape: tuple[int, ...]) -> Floats:
        cells = np.arange(np.prod(shape), dtype=np.uint64)
        return _normal(mix(cells, self._seed_for("effect", name))).reshape(shape)

    def _one_of(self, keys: Keys, what: str, count: int) -> Ints:
        """Places below `count`, each as likely as the others."""
        return (mix(keys, self._seed_for(what)) % np.uint64(count)).astype(np.int64)

    def _seed_for(self, *what: object) -> int:
        return seed("marketing_templates", str(self.seed), *map(str, what))


def _normal(keys: Keys) -> Floats:
    return np.asarray(ndtri(uniform(keys)))
