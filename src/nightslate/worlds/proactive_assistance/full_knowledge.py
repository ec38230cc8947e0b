"""The decider who knows everything but luck: how troubled each user is, and what every arm would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.programs import Program
from nightslate.programs.issue import Issue
from nightslate.worlds.proactive_assistance.rec_engine import (
    Decisions,
    Moment,
    arms_of,
    chosen,
    suspicious,
)
from nightslate.worlds.proactive_assistance.troubles import (
    ANNOYS,
    ARMS,
    ISSUES,
    LEAVES,
    PASSES,
    TAKES,
)
from nightslate.worlds.proactive_assistance.world import ANNOYED, FORGETS, Lives, World


@dataclass(frozen=True)
class Worths:
    """What things are worth, by a program: opened help, to stay and not to cancel, and (arms,) what arms
    cost."""

    opened: float
    staying: float
    costs: Floats

    @classmethod
    def of(cls, issue: Issue) -> Worths:
        rewards, survival = issue.rewards, issue.rewards.survival
        stays = 0.0 if survival is None else survival.value - rewards.values.get(survival.unless, 0.0)
        costs = np.array([rewards.costs.get(arm, 0.0) for arm in ARMS])
        return cls(rewards.values.get("opened", 0.0), stays, costs)


@dataclass(frozen=True)
class FullKnowledge:
    """Shows what gains most, at the moments at which the program's slates are shown, within its budgets.

    It knows every trouble, every chance and how touchy each user is, but not what will happen; it weighs one
    decision at a time, as if nothing followed it."""

    world: World
    program: Program

    def __call__(self, moment: Moment) -> Decisions:
        """For each visit the best arm of any issue that concerns the user."""
        visitors, concerned = moment.visitors, moment.concerned | suspicious(moment)
        gains = np.stack([self._gains(visitors, place, moment.day) for place in range(len(ISSUES))], axis=1)
        gains[~concerned] = -np.inf
        gains[:, ~arms_of(self.program)] = -np.inf
        rows = np.flatnonzero(concerned.any(axis=1))
        taken = self._within_budgets(gains[rows].reshape(len(rows), len(ISSUES) * len(ARMS)))
        return chosen(moment, rows, taken // len(ARMS), taken % len(ARMS))

    def _gains(self, lives: Lives, issue: int, day: int) -> Floats:
        """(v, arms): by how much each arm is better than nothing, until the trouble would have passed."""
        worths = Worths.of(self.program.issue(ISSUES[issue]))
        solves = self.world.solves(lives, np.full(len(lives), issue), day)
        stays_so = (1 - PASSES) * (1 - LEAVES[issue])
        saved = LEAVES[issue] * stays_so**TAKES / (1 - stays_so)
        annoyed = ANNOYED * lives.people.touchy[:, None] * ANNOYS * (1 + lives.annoyance[:, None])
        gain = worths.staying * (solves * saved - annoyed / (1 - FORGETS))
        return np.asarray(gain + worths.opened * self.world.opens(solves) - worths.costs)

    def _within_budgets(self, gains: Floats) -> Ints:
        """(v,) the best of (v, issues x arms), where a budget binds for those whom it helps most."""
        gains = gains.copy()
        budgets = self._budgets()
        while over := [found for uses, most in budgets if len((found := _over(gains, uses, most))[0])]:
            for rows, uses in over:
                gains[np.ix_(rows, np.flatnonzero(uses))] = -np.inf
        return np.asarray(gains.argmax(axis=1))

    def _budgets(self) -> list[tuple[Bools, int]]:
        """Of each budget of exposures, which choices (issues x arms,) use it, and how many may."""
        found = []
        for place, issue in enumerate(ISSUES):
            for budget in self.program.issue(issue).budgets:
                uses = np.zeros((len(ISSUES), len(ARMS)), dtype=np.bool_)
                uses[place] = [arm in budget.arms for arm in ARMS]
                found.append((uses.ravel(), int(budget.most)))
        return found


def _over(gains: Floats, uses: Bools, most: int) -> tuple[Ints, Bools]:
    """Who has to do without the choices that use a budget: those who lose least by it."""
    best, without = gains.argmax(axis=1), np.where(uses, -np.inf, gains).max(axis=1)
    using = np.flatnonzero(uses[best])
    lost = gains[using, best[using]] - without[using]
    return using[np.argsort(-lost, kind="stable")][most:], uses
