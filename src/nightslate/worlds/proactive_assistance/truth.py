"""What each arm was worth where something was shown: known to the world alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.programs import Program
from nightslate.worlds.proactive_assistance.full_knowledge import Worths
from nightslate.worlds.proactive_assistance.population import Day
from nightslate.worlds.proactive_assistance.rec_engine import Decisions, arms_of
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.world import Lives, World, put


@dataclass(frozen=True)
class Truth:
    """Of the decisions of a day for one issue: `place` (m,) of the subscriptions, `row` (m,) among the
    decisions of the day, `shown` (m,) places in ARMS, and the expected reward `worth` (m, arms) of each arm,
    nan of arms that are none of the issue."""

    place: Ints
    row: Ints
    shown: Ints
    worth: Floats

    def __len__(self) -> int:
        return len(self.place)

    def of_shown(self) -> Floats:
        """(m,): of what was shown."""
        return self.worth[np.arange(len(self)), self.shown]

    def of_policy(self, weights: NDArray[np.floating]) -> Floats:
        """(m,): of an arm drawn by weights (m, arms), 0 for those that are none of the issue."""
        share = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray(np.where(share > 0, share * self.worth, 0.0).sum(axis=1))


@dataclass(frozen=True)
class Horizon:
    """The days of a horizon of staying, whole, and what its decisions were worth.

    An arm's worth is the expectation of what its impression would be credited with, less its cost: over
    whether help works and is opened and over who cancels, given what else happens to the user, and what was
    shown on later days. Staying is credited to the first decision of a user and issue in the horizon, so
    later ones have none of it."""

    world: World
    program: Program
    days: Sequence[Day]

    def truths(self) -> dict[tuple[int, str], Truth]:
        """By day and issue."""
        return {
            (day.day, issue): self._truth(number, place)
            for number, day in enumerate(self.days)
            for place, issue in enumerate(ISSUES)
        }

    def _truth(self, number: int, issue: int) -> Truth:
        day = self.days[number]
        worths = Worths.of(self.program.issue(ISSUES[issue]))
        row = np.flatnonzero(day.decisions.issue == issue)
        place = day.decisions.place[row]
        some = day.morning.take(place)
        solves = self.world.solves(some, np.full(len(row), issue), day.day)
        first = ~np.isin(some.people.number, self._decided(number, issue))
        worth = worths.opened * self.world.opens(solves) - worths.costs
        stays = worths.staying * self._stays(number, issue, place, solves)
        # What is worth `value` to who stays is worth that less `staying` to who does not.
        gone = self._value(issue) - worths.staying
        worth += np.where(first[:, None], gone + stays, 0.0)
        worth[:, ~arms_of(self.program)[issue]] = np.nan
        return Truth(place, row, day.decisions.arm[row], worth)

    def _value(self, issue: int) -> float:
        survival = self.program.issue(ISSUES[issue]).rewards.survival
        return 0.0 if survival is None else survival.value

    def _decided(self, number: int, issue: int) -> Ints:
        """The users who got a decision for the issue on an earlier day of the horizon."""
        found = [np.empty(0, dtype=np.int64)]
        for day in self.days[:number]:
            mine = day.decisions.place[day.decisions.issue == issue]
            found.append(day.morning.people.number[mine])
        return np.concatenate(found)

    def _stays(self, number: int, issue: int, place: Ints, solves: Floats) -> Floats:
        """(m, arms): how likely users are still there at the end of the horizon."""
        m = len(place)
        arm = np.tile(np.repeat(np.arange(len(ARMS)), m), 2)
        at, works = np.tile(place, 2 * len(ARMS)), np.repeat([False, True], m * len(ARMS))
        stays = self._stays_if(number, np.full(len(at), issue), at, arm, works)
        unsolved, solved = stays.reshape(2, len(ARMS), m).transpose(0, 2, 1)
        return np.asarray(solves * solved + (1 - solves) * unsolved)

    def _stays_if(self, number: int, issue: Ints, place: Ints, arm: Ints, works: Bools) -> Floats:
        """(k,): how likely the users at these places stay, if an arm (k,) is shown that works or not."""
        world, day = self.world, self.days[number]
        lives = world.after_help(day.morning.take(place), issue, arm, works, day.day)
        stays = 1 - world.cancels(lives, day.day)
        for later in self.days[number + 1 :]:
            lives = world.begin_day(lives, later.day)
            lives = _as_shown(world, lives, place, later)
            stays *= 1 - world.cancels(lives, later.day)
        return stays


def _as_shown(world: World, lives: Lives, place: Ints, day: Day) -> Lives:
    """Users (k,), who held the subscriptions `place`, after what was shown to those who were still there on a
    later day, with the luck that they had."""
    decisions: Decisions = day.decisions
    of_place = np.full(len(day.morning), -1)
    of_place[decisions.place] = np.arange(len(decisions.place))
    there = day.morning.people.number[place] == lives.people.number
    at = np.flatnonzero(there & (of_place[place] >= 0))
    which = of_place[place[at]]
    some, issue, arm = lives.take(at), decisions.issue[which], decisions.arm[which]
    chance = world.solves(some, issue, day.day)[np.arange(len(at)), arm]
    works = world.draws(some.people, issue, day.day, "solves") < chance
    return put(lives, at, world.after_help(some, issue, arm, works, day.day))
