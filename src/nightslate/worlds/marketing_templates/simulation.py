"""The simulation of marketing: one population whose messages the program chooses, and beside it the same
customers by marketing's rule and with full knowledge."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import AnyArray
from nightslate.errors import SpecError
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.pipeline.night import IssueNight
from nightslate.programs import Program
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.marketing_templates.daily_records import AS_RULE, BEST, DailyRecords
from nightslate.worlds.marketing_templates.landing import Landing
from nightslate.worlds.marketing_templates.page import MarketingResults, page
from nightslate.worlds.marketing_templates.policy_values import PolicyValues
from nightslate.worlds.marketing_templates.population import Day, Population
from nightslate.worlds.marketing_templates.rec_engine import (
    RULE,
    FullKnowledge,
    MarketingRule,
    PublishedSends,
)
from nightslate.worlds.marketing_templates.world import WEEK, World
from nightslate.worlds.night_results import estimates_beside_truth, gate_looks, mean_over_cohorts
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row
from nightslate.worlds.results_page import headline


class MarketingSimulation:
    """A shop with so many customers, whose messages the program chooses."""

    label = "shop"
    _today: Day

    def __init__(self, setup: Setup) -> None:
        setup.require_no_costs()
        setup.require_slates()
        program, first = setup.program, setup.program.start_date
        most, values = most_in_a_week(program), program.only_issue.rewards.values
        self._setup = setup
        self._world = world = World(setup.users, setup.seed)
        self._landing = Landing(world, setup.landing, first)
        published = PublishedSends(world, first, setup.sends, setup.assignments, setup.pseudonymise)
        self._shown = Population(world, most, published)
        self._others = {
            AS_RULE: Population(world, most, MarketingRule(world)),
            BEST: Population(world, most, FullKnowledge(world, values)),
        }
        self._variant_of = self._variants()
        self._records = DailyRecords(values)
        self._policies = PolicyValues()
        self._looks, self._estimates = list[Row](), list[Row]()

    def run_day(self, day: int) -> None:
        """What customers are sent and do on a day, under each decider."""
        self._today = shown = self._shown.play(day)
        self._landing.land(shown, self._shown.customers(day + 1))
        for variant in (PERSONALISED, RULE, RANDOMISED):
            self._records.add_day(variant, shown, self._variant_of == variant, self._shown.subscribed)
        for group, population in self._others.items():
            mine = self._variant_of == PERSONALISED
            self._records.add_day(group, population.play(day), mine, population.subscribed)

    def record_night(self, night: IssueNight) -> None:
        """The night's policies at the decisions of its day, and those of the nights before at the decisions
        that its estimates are about."""
        tonight = self._policies.add_night(night, self._today)
        values = {self._date(day): found for day, found in self._policies.before.items()}
        units = {self._date(day): float(count) for day, count in self._policies.decisions.items()}
        earlier = mean_over_cohorts(night, values, units)
        self._looks += gate_looks(night, tonight)
        self._estimates += estimates_beside_truth(night, {PROGRESSIVE: earlier, CROSS_FITTED: {}}, None)

    def report(self, seconds: dict[str, float]) -> Report:
        """All that was recorded."""
        program, issue = self._setup.program, self._setup.program.only_issue
        nights = self._today.day + 1
        dated = [self._date(day).isoformat() for day in range(nights)]
        results = MarketingResults(
            program=program.program,
            description=program.description,
            reward=issue.rewards.name,
            seed=self._setup.seed,
            users=self._setup.users,
            first_day=program.start_date,
            nights=nights,
            estimator=issue.judged_by,
            confidence=issue.evaluation.confidence,
            read_over=min(HEADLINE_DAYS, nights),
            lift=self._records.lift(issue.evaluation.confidence),
            reached=self._records.reached(),
            looks=self._looks,
            estimates=self._estimates,
            seconds=seconds,
            days=_dated(dated, self._records.by_day()),
            unsubscribed=_dated(dated, self._records.unsubscribed()),
            groups=self._records.groups(),
        )
        return Report(results, page(results), headline(results))

    def _variants(self) -> AnyArray:
        """(n,): the variant of the experiment that each customer is in, whether or not there is a slate."""
        issue, ids = self._setup.program.only_issue, self._world.customers(0).ids
        users = pa.table({"user_id": self._setup.pseudonymise(pa.array(ids, pa.string()))})
        shares = {name: variant.share for name, variant in issue.variants.items()}
        assignment = Assignment.at_first(issue.salt, shares, issue.start_date)
        return np.asarray(assignment.variants(user_keys(users)))

    def _date(self, day: int) -> date:
        return self._setup.program.start_date + timedelta(days=day)


def most_in_a_week(program: Program) -> int:
    """How many messages a customer may get in seven days. Raises SpecError where the program has other rules
    of contact: marketing's rule and full knowledge keep to this one alone."""
    contacts, week = program.contacts, timedelta(days=WEEK)
    periods = [limit.period for limit in contacts.limits] if contacts else []
    if contacts is None or periods != [week] or contacts.gap or contacts.opt_out or contacts.quiet:
        raise SpecError(
            f"{program.program}: this world knows one limit of contacts, of {WEEK} days; say"
            " contacts.limits: [{most: 4, period: 7d}] and neither gap, opt_out nor quiet"
        )
    return contacts.limits[0].most


def _dated(days: list[str], rows: list[dict[str, float | None]]) -> list[Row]:
    return [{"day": day, **row} for day, row in zip(days, rows, strict=True)]
