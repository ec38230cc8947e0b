"""The champion against controls, progressively: what was shown on a day is weighed by policies that were
there before it began, see `progressive`. Each control is held against the champion over all days that have
both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.sample import Logged
from nightslate.core.ope.target import Target
from nightslate.core.policies.learner import RewardModel
from nightslate.kernels.controls.control import Choice, Control, DecidedDay, Ranks, Shown
from nightslate.kernels.cross_fitting import LOGGED, Evaluator, by_users
from nightslate.kernels.folds import Key
from nightslate.kernels.progressive import (
    Cohort,
    Cohorts,
    Comparison,
    Weighed,
    add_days,
    among,
    expected_among,
    shown_on_days,
)
from nightslate.kernels.trajectory_evaluation import SequenceSetup
from nightslate.kernels.trajectory_rows import began, chosen_by
from nightslate.kernels.units import Units, samples_of, units_of

_CONTROLS = "controls"

CHAMPION = "champion"
"""What the policy that decides is called, whichever learner it was on a day."""


@dataclass(frozen=True)
class Controlled:
    """The champion and its controls. `cohorts`: of the days that the champion decided, `days`."""

    cohorts: Mapping[date, Cohort]
    days: Mapping[date, DecidedDay]
    controls: tuple[Control, ...]

    @cached_property
    def policies(self) -> dict[date, dict[str, Ranks]]:
        """By day those that there were, the champion first."""
        found = {}
        for day, decided in self.days.items():
            ranks = {control.name: control.on(decided) for control in self.controls}
            there = {name: each for name, each in ranks.items() if each is not None}
            found[day] = {CHAMPION: decided.champion, **there}
        return found

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The champion alone, then each control beside it."""
        alone = Comparison((CHAMPION,), frozenset(self.days))
        return alone, *(
            Comparison(
                (CHAMPION, control.name),
                frozenset(day for day, there in self.policies.items() if control.name in there),
            )
            for control in self.controls
        )

    def initial(
        self, estimators: Sequence[str], slots: int, program: str, rewards: RewardRange | None
    ) -> dict[Key, Any]:
        """What no units say of each comparison, in their order. rewards: the range of one, for intervals that
        are guaranteed."""
        bootstrap = seed(program, "bootstrap")
        return {
            (_CONTROLS, place): EvaluationState.initial(
                comparison.policies, estimators, slots=slots, seed=bootstrap, rewards=rewards
            )
            for place, comparison in enumerate(self.comparisons)
        }

    def add(self, states: Mapping[Key, Any], weighed: Sequence[Weighed]) -> dict[Key, Any]:
        """The states, and what units of some users say: all of these users' units."""
        return {
            key: add_days(states[key], weighed, comparison)
            for key, comparison in zip(states, self.comparisons, strict=True)
        }


@dataclass(frozen=True)
class ControlsOfUnits:
    """How impressions, or decisions, are weighed. `evaluator`: whose reward models, fitted on other users,
    correct doubly robust estimates. `logged_arms`: those that the logs show at all."""

    controlled: Controlled
    evaluator: Evaluator
    logged_arms: frozenset[str]
    program: str

    def initial(self) -> dict[Key, Any]:
        """What no rows say."""
        how = self.evaluator
        return self.controlled.initial(how.estimators, how.slots, self.program, how.rewards)

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users say."""
        states = self.initial()
        for mine in by_users(rows):
            states = self.controlled.add(states, list(self._weighed(mine)))
        yield from states.items()

    def _weighed(self, rows: pa.Table) -> Iterator[Weighed]:
        for day, cohort, shown in shown_on_days(rows, Cohorts((), self.controlled.cohorts)):
            units = units_of(shown, cohort.arms, self.evaluator.slots)
            q, examined = expected_among(shown, units, cohort.arms, self.evaluator, self.program)
            seen = Shown(units.first, units.eligible, self.evaluator.restricted)
            policies = self.controlled.policies[day]
            targets = [
                self._target(units, policy.choice(seen), q, examined, cohort.arms)
                for policy in policies.values()
            ]
            samples = dict(zip((LOGGED, *policies), samples_of(units, targets), strict=True))
            yield Weighed(day, units.ids, units.users, units.first["policy"], samples)

    def _target(
        self, units: Units, choice: Choice, q: Floats, examined: Floats | float, arms: tuple[str, ...]
    ) -> Target:
        supported = np.array([arm in self.logged_arms for arm in arms], dtype=np.bool_)
        costs, how = self.evaluator.costs_apart(arms), (choice.among, choice.diversity)
        target = units.target(choice.weights, q, supported, examined, costs, *how)
        if choice.among is None:
            return target
        could_not_be = (~(units.eligible & supported)).astype(np.float64)
        mass = units.target(choice.weights, could_not_be, supported, 1.0, None, *how).v_target
        return replace(target, unsupported_mass=mass.reshape(len(mass), -1)[:, 0])


@dataclass(frozen=True)
class ControlsOfTrajectories:
    """How trajectories are weighed, by the day on which they began. `models`: for the users of each fold what
    is still to come, fitted on all others; of whatever policy, it corrects estimates of each."""

    controlled: Controlled
    setup: SequenceSetup
    models: Sequence[RewardModel]

    def initial(self) -> dict[Key, Any]:
        """What no trajectories say."""
        how = self.setup
        return self.controlled.initial((how.judged_by,), how.steps, how.program, how.rewards)

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What the transitions `rows` of all trajectories of some users say."""
        states = self.initial()
        for fold, mine in self.setup.by_fold(rows):
            states = self.controlled.add(states, list(self._weighed(fold, mine)))
        yield from states.items()

    def _weighed(self, fold: int, rows: pa.Table) -> Iterator[Weighed]:
        begun = began(rows)
        for day in sorted(self.controlled.days.keys() & {*begun.astype(object).tolist()}):
            arms = self.controlled.cohorts[day].arms
            shown = rows.filter(pa.array(begun == np.datetime64(day)))
            held = self.setup.held(shown, arms)
            values = self.models[fold].expected_rewards(self.setup.encoder(shown))
            samples: dict[str, Logged] = {LOGGED: held.of_logging_policy()}
            for name, policy in self.controlled.policies[day].items():
                weights = policy.choice(Shown(shown, held.eligible)).weights
                samples[name] = held.of_policy(weights, among(values, self.setup.arms, arms))
            yield Weighed(day, pa.chunked_array([held.ids]), held.users, chosen_by(shown, held), samples)
