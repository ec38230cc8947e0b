"""Users of a subscription, the troubles that they get into, what help does to these, and who cancels.

Every draw is a hash of the seed, of the user, of the day and of what it is for, so a user meets the same luck
under every policy: two policies differ by what they show and by nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.worlds.proactive_assistance.troubles import (
    ANNOYS,
    BEGINS,
    ISSUES,
    LEAVES,
    NOTHING,
    ON_DEVICE,
    OPENS,
    OPENS_IF_IT_FITS,
    PASSES,
    SOLVES,
    TAKES,
)

DEVICES = ("web", "app")

CANCELS = 0.002
"""The chance of a day that a user cancels whom nothing troubles."""

ANNOYED = 0.03
"""What a unit of annoyance adds to it, for a user of middling patience."""

FORGETS = 0.7
"""What a night leaves of annoyance."""

MOST_LIKELY = 0.9
NONE = -1
"""The nature of no trouble."""


@dataclass(frozen=True, eq=False)
class People:
    """Users; all (n,). `number` is of the user; `device` is a place in DEVICES;
    `often`: the chance of a visit on a day without trouble; `touchy`: times as much does annoyance matter."""

    number: Ints
    key: Keys
    device: Ints
    often: Floats
    touchy: Floats

    def __len__(self) -> int:
        return len(self.number)

    @property
    def ids(self) -> list[str]:
        return [f"subscriber-{number}" for number in self.number]

    def take(self, at: Ints | Bools) -> People:
        """Some of them."""
        return People(**{name: values[at] for name, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Lives:
    """How users are on a day. `nature` (n, issues): of their troubles, NONE where there is none. `until` (n,
    issues): the day on which it is over. `annoyance` (n,)."""

    people: People
    nature: Ints
    until: Ints
    annoyance: Floats

    def __len__(self) -> int:
        return len(self.people)

    def troubled(self, day: int) -> Bools:
        """(n, issues): who is in trouble on this day."""
        return np.asarray((self.nature != NONE) & (self.until > day))

    def take(self, at: Ints | Bools) -> Lives:
        """Some of them."""
        return Lives(self.people.take(at), self.nature[at], self.until[at], self.annoyance[at])


@dataclass(frozen=True)
class World:
    """`users` subscriptions are running on every day: whoever cancels makes room for a new user on the day
    after. Days count from 0, the first day of the program."""

    users: int
    seed: int

    def people(self, generation: Ints) -> People:
        """(users,): who holds each subscription, if so many held it before."""
        number = np.arange(self.users) + self.users * generation
        key = mix(number.astype(np.uint64), self._seed_for("user"))
        return People(
            number=number,
            key=key,
            device=_one_of(mix(key, self._seed_for("device")), len(DEVICES)),
            often=0.2 + 0.3 * uniform(mix(key, self._seed_for("often"))),
            touchy=0.5 + uniform(mix(key, self._seed_for("touchy"))),
        )

    def new(self, people: People) -> Lives:
        """Users of whom nothing is known and whom nothing troubles."""
        shape = (len(people), len(ISSUES))
        return Lives(people, np.full(shape, NONE), np.zeros(shape, dtype=np.int64), np.zeros(len(people)))

    def begin_day(self, lives: Lives, day: int) -> Lives:
        """After a night: what is over is gone, troubles begin, and annoyance is less."""
        keys = lives.people.key[:, None]
        idle = ~lives.troubled(day)
        begins = idle & (uniform(mix(mix(keys, self._seed_for("trouble", day)), self._of_issues)) < BEGINS)
        kind = _one_of(mix(mix(keys, self._seed_for("nature", day)), self._of_issues), SOLVES.shape[1])
        lasts = uniform(mix(mix(keys, self._seed_for("lasts", day)), self._of_issues))
        days = np.ceil(np.log(lasts) / math.log1p(-PASSES)).astype(np.int64)  # geometric, from 1
        return Lives(
            lives.people,
            np.where(begins, kind, np.where(idle, NONE, lives.nature)),
            np.where(begins, day + days, lives.until),
            FORGETS * lives.annoyance,
        )

    def visits(self, lives: Lives, day: int) -> Bools:
        """(n,): who comes on a day; whom something troubles comes more often."""
        likely = lives.people.often + 0.35 * lives.troubled(day).any(axis=1)
        return np.asarray(uniform(self.keys(lives.people, "visit", day)) < likely)

    def solves(self, lives: Lives, issue: Ints, day: int) -> Floats:
        """(n, arms): how likely each arm solves the trouble with this issue (n,); 0 where there is none."""
        row = np.arange(len(lives))
        likely = SOLVES[issue, np.maximum(lives.nature[row, issue], 0)] * ON_DEVICE[lives.people.device]
        return np.asarray(np.minimum(likely, MOST_LIKELY) * lives.troubled(day)[row, issue][:, None])

    def opens(self, solves: Floats) -> Floats:
        """(n, arms): how likely help is opened, by how likely it solves anything."""
        likely = OPENS + OPENS_IF_IT_FITS * solves
        likely[:, NOTHING] = 0.0
        return np.asarray(likely)

    def draws(self, people: People, issue: Ints, day: int, purpose: str) -> Floats:
        """(n,) uniform: help for an issue works, or is opened, where this is below its chance."""
        return uniform(mix(self.keys(people, purpose, day), self._of_issues[issue]))

    def after_help(self, lives: Lives, issue: Ints, arm: Ints, works: Bools, day: int) -> Lives:
        """After each was shown an arm (n,) for an issue (n,): where it `works`, the trouble is over by then.
        Whoever is annoyed already is annoyed the more."""
        row, until = np.arange(len(lives)), lives.until.copy()
        over = np.where(works, np.minimum(until[row, issue], day + TAKES[arm]), until[row, issue])
        until[row, issue] = over
        return replace(lives, until=until, annoyance=lives.annoyance + ANNOYS[arm] * (1 + lives.annoyance))

    def cancels(self, lives: Lives, day: int) -> Floats:
        """(n,): the chance to cancel at the end of this day."""
        troubled = lives.troubled(day) @ LEAVES
        annoyed = ANNOYED * lives.people.touchy * lives.annoyance
        return np.asarray(np.minimum(CANCELS + troubled + annoyed, MOST_LIKELY))

    def keys(self, people: People, *purpose: object) -> Keys:
        """(n,): randomness of each user for one purpose."""
        return mix(people.key, self._seed_for(*purpose))

    def _seed_for(self, *what: object) -> int:
        return seed("proactive_assistance", str(self.seed), *map(str, what))

    @cached_property
    def _of_issues(self) -> Keys:
        return np.array([seed(issue) for issue in ISSUES], dtype=np.uint64)


def put(lives: Lives, at: Ints, some: Lives) -> Lives:
    """The users with those in places `at` as `some` are."""

    def placed(values: AnyArray, others: AnyArray) -> AnyArray:
        changed = values.copy()
        changed[at] = others
        return changed

    people = People(
        **{name: placed(values, getattr(some.people, name)) for name, values in vars(lives.people).items()}
    )
    return Lives(
        people,
        *(placed(getattr(lives, name), getattr(some, name)) for name in ("nature", "until", "annoyance")),
    )


def _one_of(keys: Keys, count: int) -> Ints:
    """Places below `count`, each as likely as the others."""
    return (keys % np.uint64(count)).astype(np.int64)
