"""The simulation of a rollout: one population whose variants the nights assign, and beside it the same users
in a test whose shares never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from nightslate.errors import SpecError
from nightslate.pipeline.night import IssueNight
from nightslate.programs import Program
from nightslate.programs.allocation import Allocation, Score
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.results import Row
from nightslate.worlds.rollout_allocation.app import CONTROL, TREATMENT, VARIANTS, PublishedAssignments
from nightslate.worlds.rollout_allocation.daily_records import DailyRecords
from nightslate.worlds.rollout_allocation.estimates import Readouts, counted_by, decision_of
from nightslate.worlds.rollout_allocation.fixed_test import FixedReadout
from nightslate.worlds.rollout_allocation.landing import Landing
from nightslate.worlds.rollout_allocation.page import headline, page
from nightslate.worlds.rollout_allocation.population import Population
from nightslate.worlds.rollout_allocation.results import RolloutResults
from nightslate.worlds.rollout_allocation.truth import Counted, FirstAssignments
from nightslate.worlds.rollout_allocation.world import KINDS, World

_COMPARED_WITH = {"difference": "difference", "adaptive": "cuped", "cuped": "cuped", "aipw": "cuped"}
"""By method of a readout, that of the fixed test which knows as much of users."""


class RolloutSimulation:
    """An app with so many users, who see the checkout of the variant that the program assigns."""

    label = "app"

    def __init__(self, setup: Setup) -> None:
        setup.require_slates()
        program, first = setup.program, setup.program.start_date
        issue = program.only_issue
        allocation = allocation_of(program)
        self._setup, self._counted = setup, counted_by(issue)
        self._world = world = World(setup.users, setup.seed)
        self._landing = Landing(world, setup.landing, first)
        published = PublishedAssignments(world, first, setup.assignments, setup.pseudonymise)
        self._population = Population(world, published)
        shares = tuple(issue.variants[name].share for name in VARIANTS)
        self._fixed = FixedReadout(world, shares)
        self._first = FirstAssignments(world, allocation.sticky)
        self._records = DailyRecords(world, worths(allocation.score, self._counted), shares[TREATMENT])
        self._readouts = Readouts(self._counted, self._first)
        self._estimates, self._decisions = list[Row](), list[Row]()

    def run_day(self, day: int) -> None:
        """What users see and do on a day, and would have in the fixed test."""
        played = self._population.play(day)
        self._landing.land(played)
        self._first.add(played)
        self._records.add_day(played)
        self._fixed.play(day)

    def record_night(self, night: IssueNight) -> None:
        """What the night reads out and decides."""
        days = (night.ds - self._setup.program.start_date).days + 1
        self._estimates += self._readouts.of_night(night, days)
        self._decisions.append(decision_of(night))

    def report(self, seconds: dict[str, float]) -> Report:
        """All that was recorded."""
        program, issue = self._setup.program, self._setup.program.only_issue
        days = self._records.by_day()
        here, fixed = self._records.help()
        results = RolloutResults(
            program=program.program,
            description=program.description,
            seed=self._setup.seed,
            users=self._setup.users,
            first_day=program.start_date,
            nights=len(days),
            confidence=issue.evaluation.confidence,
            decided_by=issue.experiment.foremost,
            margins={each.metric: each.margin for each in issue.experiment.guardrails},
            harm={of: _beside(*self._records.harm(of)) for of in ("at_risk", "all")},
            help=_beside(here, fixed),
            days=[{"day": self._date(number), **row} for number, row in enumerate(days)],
            reactions=[
                {**row, **{name: self._date(row[name]) for name in ("begins", "ends", "announced")}}
                for row in self._records.reactions()
            ],
            estimates=self._estimates,
            decisions=self._decisions,
            precision=self._precision(len(days)),
            seconds=seconds,
        )
        return Report(results, page(results), headline(results))

    def _precision(self, days: int) -> list[Row]:
        """Of the last night's effects on all users, beside the fixed test's."""
        last, confidence = self._date(days - 1), self._setup.program.only_issue.evaluation.confidence
        found = []
        for metric, counted in self._counted.items():
            effect = self._fixed.effect(counted, days, confidence)
            stderrs = {"difference": effect.difference.stderr, "cuped": effect.cuped and effect.cuped.stderr}
            for row in self._estimates:
                fixed = _COMPARED_WITH.get(row["method"])
                mine = (row["ds"], row["metric"], row["segment"]) == (last, metric, None)
                if mine and fixed and row["stderr"] and stderrs[fixed]:
                    found.append(
                        {
                            "metric": metric,
                            "method": row["method"],
                            "stderr": row["stderr"],
                            "fixed": fixed,
                            "fixed_stderr": stderrs[fixed],
                            "share": (stderrs[fixed] / row["stderr"]) ** 2,
                        }
                    )
        return found

    def _date(self, day: int) -> str:
        return (self._setup.program.start_date + timedelta(days=day)).isoformat()


def allocation_of(program: Program) -> Allocation:
    """How its shares follow the context. Raises SpecError where they do not, and for variants that are not
    the checkouts of this world."""
    issue = program.only_issue
    checkouts = {*issue.variants} == {*VARIANTS} and issue.experiment.control == VARIANTS[CONTROL]
    if issue.allocation is None or not checkouts:
        raise SpecError(
            f"{program.program}: this world knows the variants {' and '.join(VARIANTS)}, the first of them"
            " the control, and shares that experiment.allocation moves"
        )
    return issue.allocation


def worths(score: Score, counted: Mapping[str, Counted]) -> dict[str, float]:
    """By kind of outcome, what one is worth as a program's score has it."""
    found = dict.fromkeys(KINDS, 0.0) | {counted[score.benefit].kind: 1.0}
    return found | ({counted[score.harm].kind: -score.weight} if score.harm else {})


def _beside(here: float, fixed: float) -> Row:
    return {"here": here, "fixed": fixed, "share": here / fixed if fixed else None}
