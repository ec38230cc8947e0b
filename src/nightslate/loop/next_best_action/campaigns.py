"""The campaigns as the loop plays them: a day is 24 steps of every cohort whose campaign runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.loop.next_best_action.truth import began, has_sweep, sweep, values
from nightslate.loop.notes import (
    PERSONALISED,
    RANDOMISED,
    READ_OVER,
    Row,
    estimates,
    looks,
    over_cohorts,
)
from nightslate.loop.readout import Lift, lift
from nightslate.loop.story import Setting, Told
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.reports.sequence_simulation import SequenceSimulation, page
from nightslate.simulation.next_best_action import truth
from nightslate.simulation.next_best_action.engine import Cohort, Engine
from nightslate.simulation.next_best_action.landing import land_day
from nightslate.simulation.next_best_action.world import World
from nightslate.steps.night import Night

PLAYED = 20_000
"""Customers on whom the true value of a policy is measured; all policies meet the same ones."""


class Campaigns:
    """A new cohort of customers every day, whose offers the program chooses."""

    place = "campaigns"

    def __init__(self, setting: Setting) -> None:
        self._setting, first = setting, setting.program.start_date
        pseudonymise = Pseudonymiser.from_environment()
        self._engine = Engine(setting.users, setting.seed, first, setting.slates, pseudonymise)
        self._played = World(PLAYED, seed("truth", str(setting.seed)))
        self._looks, self._estimates = list[Row](), list[Row]()
        self._values_of_day = dict[date, dict[str, float]]()
        self._nights = list[Night]()

    def live(self, day: int) -> None:
        """The offers of a day, and what comes of them."""
        today = self._setting.program.start_date + timedelta(days=day)
        land_day(self._setting.landing, self._engine, today, self._engine.show(today))

    def look_back(self, night: Night) -> None:
        """The night's policies, and those of the nights before it, as the world values them."""
        true = values(night, self._played)
        earlier = over_cohorts(night, self._values_of_day, began(night))
        self._looks += looks(night, true)
        self._estimates += estimates(night, {PROGRESSIVE: earlier, CROSS_FITTED: true}, None)
        self._values_of_day[night.slate_date] = true
        self._nights.append(night)

    def told(self, seconds: dict[str, float]) -> Told:
        """Of the cohorts whose campaign is over, and of all nights."""
        program, cohorts = self._setting.program, self._over()
        told = [_cohort(cohort) for cohort in cohorts]
        found = _lift(cohorts[-READ_OVER:], program.evaluation.confidence)
        swept = next(filter(has_sweep, reversed(self._nights)), None)
        simulation = SequenceSimulation(
            program=program.program,
            description=program.description,
            reward=program.rewards.name,
            seed=self._setting.seed,
            users=self._setting.users,
            first_day=program.start_date,
            nights=len(self._nights),
            estimator=program.judged_by,
            confidence=program.evaluation.confidence,
            read_over=len(cohorts[-READ_OVER:]),
            lift=None if found is None else asdict(found),
            reached=_reached(cohorts[-READ_OVER:]),
            looks=self._looks,
            estimates=self._with_realised({row["day"]: row[PERSONALISED] for row in told}),
            seconds=seconds,
            cohorts=told,
            optimum=truth.optimum(),
            uniform=truth.value_of(truth.uniform),
            sweep=[] if swept is None else sweep(swept, self._played),
            swept=None if swept is None else swept.ds.isoformat(),
        )
        return Told(simulation, page(simulation))

    def _over(self) -> list[Cohort]:
        """The cohorts whose campaign is over, the oldest first."""
        days = [night.ds for night in self._nights]
        return [cohort for cohort in map(self._engine.cohort, days) if cohort.is_over(days[-1])]

    def _with_realised(self, personalised: dict[str, float | None]) -> list[Row]:
        """The estimates of champions beside what the cohort was worth that began the day after."""
        champions = {look["ds"]: look["champion"] for look in self._looks}

        def realised(row: Row) -> float | None:
            if row["policy"] != champions[row["ds"]] or row["estimand"] != CROSS_FITTED:
                return None
            return personalised.get((date.fromisoformat(row["ds"]) + timedelta(days=1)).isoformat())

        return [{**row, "realised": realised(row)} for row in self._estimates]


def _cohort(cohort: Cohort) -> Row:
    expected = cohort.campaign.expected()
    means = {kind: _mean(expected[cohort.variants == kind]) for kind in (PERSONALISED, RANDOMISED)}
    return {"day": cohort.begins.isoformat(), **means, "best": truth.optimum()}


def _lift(cohorts: list[Cohort], confidence: float) -> Lift | None:
    """Of purchases as they were drawn."""
    if not cohorts:
        return None
    variant = np.concatenate([cohort.variants for cohort in cohorts])
    bought = np.concatenate([cohort.campaign.bought() for cohort in cohorts]).astype(np.float64)
    who = np.arange(len(bought))
    return lift(bought, who, variant == PERSONALISED, variant == RANDOMISED, confidence)


def _reached(cohorts: list[Cohort]) -> float | None:
    """Of the way from what random offers are worth to the optimum, how far personalised ones are."""
    expected = [cohort.campaign.expected()[cohort.variants == PERSONALISED] for cohort in cohorts]
    mean, base = _mean(np.concatenate([np.empty(0), *expected])), truth.value_of(truth.uniform)
    return None if mean is None else (mean - base) / (truth.optimum() - base)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
