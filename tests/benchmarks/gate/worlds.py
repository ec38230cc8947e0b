"""Worlds of known truth for the benchmark of the gate, and logs drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.hashing import deal

NIGHTS, FOLDS = 200, 4
MANY = 2500
"""Rows of a night where rewards are rare: with 500 there would be two of them."""


class Learner(Protocol):
    """A challenger."""

    def shares(self, shown: Floats, earned: Floats) -> Floats:
        """(A,) how often each arm is to be shown, fitted on (nights, A) rows so far and their rewards."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """Always the same shares of arms."""

    always: Floats

    def shares(self, *_: Floats) -> Floats:
        return self.always


@dataclass(frozen=True)
class EpsilonGreedy:
    """The arm of the highest mean so far, or of the last `memory` nights; any arm in a share of epsilon."""

    epsilon: float = 0.5
    memory: int = NIGHTS

    def shares(self, shown: Floats, earned: Floats) -> Floats:
        n, total = (sums[-self.memory :].sum(axis=0) for sums in (shown, earned))
        # an arm counts as if it had once earned what all do on average
        means = (total + total.sum() / max(n.sum(), 1)) / (n + 1)
        best = means == means.max()
        return self.epsilon / n.size + (1 - self.epsilon) * best / best.sum()


def favouring(arms: Floats, share: float = 0.5) -> Floats:
    """One of these arms in so much of the decisions, and any arm in the others."""
    return share * arms / arms.sum() + (1 - share) / arms.size


def avoiding(arms: int, avoided: int) -> Floats:
    """The first few arms in a tenth of the decisions only."""
    return favouring((np.arange(arms) >= avoided).astype(np.float64), 0.9)


Crowd = Callable[[np.random.Generator, int, int], Ints]
"""The users of a night's rows, by the numbers of the night and of rows."""


def passers_by(chance: np.random.Generator, night: int, rows: int) -> Ints:
    """Everyone comes once."""
    return night * rows + np.arange(rows)


def regulars(chance: np.random.Generator, night: int, rows: int) -> Ints:
    """1,000 users who come again and again; the first has 13 % of the rows, the others 1 / rank as many."""
    visits = 1 / np.arange(1, 1001)
    return chance.choice(1000, rows, p=visits / visits.sum())


def rarely(chance: np.random.Generator, night: int, rows: int) -> Ints:
    """Somebody in every third night only."""
    return passers_by(chance, night, 0 if night % 3 else rows)


@dataclass(frozen=True, eq=False)
class World:
    """chances (A,): of a reward of 1, by arm. The log shows all arms alike; that is the champion's doing, or
    `champion` says what it would have shown. rows: a night. matures: nights until a reward is known. alike:
    the rows of a user in a night are rewarded together, and users differ. backwards: the last night is run
    first."""

    chances: Floats
    challengers: tuple[Learner, ...]
    champion: Floats | None = None
    rows: int = 500
    crowd: Crowd = passers_by
    matures: int = 14
    margin: float = 0.0
    max_units: int = 1
    alike: bool = False
    backwards: bool = False
    base: Floats = field(init=False)

    def __post_init__(self) -> None:
        uniform = np.full(self.chances.size, 1 / self.chances.size)
        object.__setattr__(self, "base", uniform if self.champion is None else self.champion)

    def is_better(self, policy: Floats) -> bool:
        """By the margin, than the champion."""
        return float((policy - self.base) @ self.chances) > self.margin + 1e-12


def flat(arms: int, chance: float) -> Floats:
    return np.full(arms, chance)


def doubled(arms: int, chance: float, first: int) -> Floats:
    """The first few arms pay double."""
    return np.where(np.arange(arms) < first, 2 * chance, chance)


def last_pays(arms: int, chance: float, more: float) -> Floats:
    """The last arm pays so much more than the mean of all, which stays."""
    chances = np.full(arms, chance * (1 - more / (arms - 1)))
    chances[-1] = chance * (1 + more)
    return chances


def half_pays(arms: int, chance: float, more: float) -> Floats:
    """The second half of the arms pays so much more than the mean, the first one so much less."""
    return chance * (1 + np.where(np.arange(arms) < arms // 2, -more, more))


FIRST, LAST = favouring(np.eye(5)[0]), favouring(np.eye(5)[4])
HALF = favouring((np.arange(80) >= 40).astype(np.float64))
HEAVY = {"rows": 600, "crowd": regulars, "max_units": 5, "alike": True}
LEARNERS = (EpsilonGreedy(), EpsilonGreedy(memory=7))
SAME, BETTER_LAST = flat(5, 0.1), last_pays(5, 0.1, 0.2)
RARE = flat(80, 0.0038)

NOTHING_IS_BETTER: dict[str, World] = {
    "benign, equal": World(SAME, (Fixed(LAST),)),
    "benign, 2.5 % worse": World(last_pays(5, 0.1, -0.05), (Fixed(LAST),)),
    "rare, 1 of 80 avoided, equal": World(RARE, (Fixed(avoiding(80, 1)),), rows=MANY),
    "rare, 4 of 80 avoided, equal": World(RARE, (Fixed(avoiding(80, 4)),), rows=MANY),
    "rare, 1 avoided that pays double": World(doubled(80, 0.0038, 1), (Fixed(avoiding(80, 1)),), rows=MANY),
    "rare, 4 avoided that pay double": World(doubled(80, 0.0038, 4), (Fixed(avoiding(80, 4)),), rows=MANY),
    "heavy users, equal": World(SAME, (Fixed(LAST),), **HEAVY),
    "learning from the logs, equal": World(SAME, LEARNERS),
    "learning, rare, equal": World(RARE, LEARNERS, rows=MANY),
    "learning, better by the margin": World(BETTER_LAST, LEARNERS, margin=0.01),
    "nights run backwards, equal": World(SAME, (Fixed(LAST),), backwards=True),
    "two nights of three empty, equal": World(SAME, (Fixed(LAST),), crowd=rarely),
}
"""Worlds in which no policy is ever better by the margin; in most of them none is worse either, which is
where chance has the most to say."""

TEN_PERCENT: dict[str, World] = {
    "benign": World(BETTER_LAST, (Fixed(LAST),)),
    "benign, known at once": World(BETTER_LAST, (Fixed(LAST),), matures=0),
    "rare": World(half_pays(80, 0.0038, 0.2), (Fixed(HALF),), rows=MANY),
    "heavy users": World(BETTER_LAST, (Fixed(LAST),), **HEAVY),
    "two nights of three empty": World(BETTER_LAST, (Fixed(LAST),), crowd=rarely),
    "learning from the logs": World(BETTER_LAST, LEARNERS),
}
"""Worlds in which a challenger earns 10 % more than the champion; the learning ones once they know how."""

OTHERS_LOGGED: dict[str, World] = {
    "10 %, equal": World(SAME, (Fixed(LAST),), FIRST, rows=1000),
    "10 %, +10 %": World(last_pays(5, 0.1, 0.157), (Fixed(LAST),), FIRST, rows=1000),
    "2 %, equal": World(flat(5, 0.02), (Fixed(LAST),), FIRST, rows=5000),
    "2 %, +10 %": World(last_pays(5, 0.02, 0.157), (Fixed(LAST),), FIRST, rows=5000),
}
"""Worlds in which the champion did not log either."""


@dataclass(frozen=True, eq=False)
class Log:
    """The rows (n,) of all nights; night t has those from starts[t] to starts[t + 1]."""

    world: World
    user: Ints
    arm: Ints
    reward: Floats
    starts: Ints

    @classmethod
    def draw(cls, world: World, chance: np.random.Generator) -> Log:
        users = [world.crowd(chance, night, world.rows) for night in range(NIGHTS)]
        user, starts = np.concatenate(users), np.cumsum([0, *map(len, users)])
        arm = chance.integers(0, world.chances.size, user.size)
        luck, likes = chance.random(user.size), np.ones(user.size)
        if world.alike:
            night = np.repeat(np.arange(NIGHTS), np.diff(starts))
            luck = chance.random((NIGHTS, user.max() + 1))[night, user]
            likes = chance.uniform(0.5, 1.5, user.max() + 1)[user]
        return cls(world, user, arm, (luck < world.chances[arm] * likes).astype(np.float64), starts)

    @cached_property
    def fold(self) -> Ints:
        """(n,) of the user."""
        return deal(self.user.astype(np.uint64), 0, FOLDS)

    @cached_property
    def sums(self) -> tuple[Floats, Floats]:
        """(NIGHTS, FOLDS, A) rows shown and what they earned."""
        shape = (NIGHTS, FOLDS, self.world.chances.size)
        night = np.repeat(np.arange(NIGHTS), np.diff(self.starts))
        cell = np.ravel_multi_index((night, self.fold, self.arm), shape)
        counted = (np.bincount(cell, weights, math.prod(shape)) for weights in (None, self.reward))
        shown, earned = (each.reshape(shape).astype(np.float64) for each in counted)
        return shown, earned

    def rows(self, first: int, last: int) -> slice:
        """Those of the nights from the first to the last one."""
        return slice(self.starts[max(first, 0)], self.starts[last + 1])
