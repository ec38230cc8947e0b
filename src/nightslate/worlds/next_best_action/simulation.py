"""The simulation of the campaigns: a day is 24 steps of every cohort whose campaign runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.pipeline.night import IssueNight
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.lift import Lift, lift
from nightslate.worlds.next_best_action import truth
from nightslate.worlds.next_best_action.landing import land_day
from nightslate.worlds.next_best_action.page import CampaignResults, page
from nightslate.worlds.next_best_action.policy_values import (
    has_sweep,
    sweep_beside_truth,
    trajectories_begun,
    true_values,
)
from nightslate.worlds.next_best_action.rec_engine import Cohort, RecEngine
from nightslate.worlds.next_best_action.world import World
from nightslate.worlds.night_results import estimates_beside_truth, gate_looks, mean_over_cohorts
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row
from nightslate.worlds.results_page import headline

TRUTH_CUSTOMERS = 20_000
"""Customers on whom the true value of a policy is measured; all policies meet the same ones."""


class CampaignSimulation:
    """A new cohort of customers every day, whose offers the program chooses."""

    label = "campaigns"

    def __init__(self, setup: Setup) -> None:
        setup.require_no_costs()
        setup.require_slates()
        self._setup, first = setup, setup.program.start_date
        self._engine = RecEngine(setup.users, setup.seed, first, setup.slates, setup.pseudonymise)
        self._truth_world = World(TRUTH_CUSTOMERS, seed("truth", str(setup.seed)))
        self._looks, self._estimates = list[Row](), list[Row]()
        self._values_shown = dict[date, dict[str, float]]()
        self._nights = list[IssueNight]()

    def run_day(self, day: int) -> None:
        """The offers of a day, and what comes of them."""
        today = self._setup.program.start_date + timedelta(days=day)
        land_day(self._setup.landing, self._engine, today, self._engine.show(today))

    def record_night(self, night: IssueNight) -> None:
        """The night's policies, and those of the nights before it, as the world values them."""
        true = true_values(night, self._truth_world)
        earlier = mean_over_cohorts(night, self._values_shown, trajectories_begun(night))
        self._looks += gate_looks(night, true)
        by_estimand = {PROGRESSIVE: earlier, CROSS_FITTED: true}
        self._estimates += estimates_beside_truth(night, by_estimand, None)
        self._values_shown[night.slate_date] = true
        self._nights.append(night)

    def report(self, seconds: dict[str, float]) -> Report:
        """Of the cohorts whose campaign is over, and of all nights."""
        program, cohorts = self._setup.program, self._over()
        valued = [_cohort_values(cohort) for cohort in cohorts]
        found = _lift(cohorts[-HEADLINE_DAYS:], program.only_issue.evaluation.confidence)
        swept = next(filter(has_sweep, reversed(self._nights)), None)
        results = CampaignResults(
            program=program.program,
            description=program.description,
            reward=program.only_issue.rewards.name,
            seed=self._setup.seed,
            users=self._setup.users,
            first_day=program.start_date,
            nights=len(self._nights),
            estimator=program.only_issue.judged_by,
            confidence=program.only_issue.evaluation.confidence,
            read_over=len(cohorts[-HEADLINE_DAYS:]),
            lift=None if found is None else asdict(found),
            reached=_reached(cohorts[-HEADLINE_DAYS:]),
            looks=self._looks,
            estimates=self._with_realised({row["day"]: row[PERSONALISED] for row in valued}),
            seconds=seconds,
            cohorts=valued,
            optimum=truth.optimum(),
            uniform=truth.value_of(truth.uniform),
            sweep=[] if swept is None else sweep_beside_truth(swept, self._truth_world),
            swept=None if swept is None else swept.ds.isoformat(),
        )
        return Report(results, page(results), headline(results))

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


def _cohort_values(cohort: Cohort) -> Row:
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
