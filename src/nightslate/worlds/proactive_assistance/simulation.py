"""The simulation of proactive assistance: one population whose help the program chooses, and beside it the
same users with help by chance, by a rule and with full knowledge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
from nightslate.worlds.night_results import estimates_beside_truth, gate_looks, mean_over_cohorts
from nightslate.worlds.proactive_assistance.budget_use import budget_use, use_of_day
from nightslate.worlds.proactive_assistance.daily_records import (
    BEST,
    CHANCE,
    GROUPS,
    RULE,
    DailyRecords,
)
from nightslate.worlds.proactive_assistance.full_knowledge import FullKnowledge
from nightslate.worlds.proactive_assistance.landing import Landing
from nightslate.worlds.proactive_assistance.page import AssistanceResults, page
from nightslate.worlds.proactive_assistance.policy_values import PolicyValues
from nightslate.worlds.proactive_assistance.population import Day, Population
from nightslate.worlds.proactive_assistance.rec_engine import Chance, Decider, DiscountRule, PublishedSlates
from nightslate.worlds.proactive_assistance.served_app import SERVED_FROM, ServedApp
from nightslate.worlds.proactive_assistance.troubles import ISSUES
from nightslate.worlds.proactive_assistance.truth import Horizon, Truth
from nightslate.worlds.proactive_assistance.world import People, World
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row
from nightslate.worlds.results_page import headline


class AssistanceSimulation:
    """A product with so many subscriptions, whose users the program helps."""

    label = "product"

    def __init__(self, setup: Setup) -> None:
        program = setup.program
        self._setup, self._horizon = setup, horizon_days(program)
        self._world = world = World(setup.users, setup.seed)
        posted_from = SERVED_FROM if setup.served else None
        self._landing = Landing(world, setup.landing, program.start_date, posted_from)
        self._shown = Population(world, program, decider(world, setup))
        self._others = {
            CHANCE: Population(world, program, Chance(world, program)),
            RULE: Population(world, program, DiscountRule()),
            BEST: Population(world, program, FullKnowledge(world, program)),
        }
        self._records = DailyRecords(program, self._horizon)
        self._first_ones = self._variants(self._shown.subscribers.people)
        self._days = list[Day]()
        self._truths: dict[str, dict[int, Truth]] = {issue: {} for issue in ISSUES}
        self._policies: dict[str, PolicyValues] = defaultdict(PolicyValues)
        self._looks, self._estimates, self._budgets = list[Row](), list[Row](), list[Row]()
        self._uplift = dict[str, list[Row]]()

    def run_day(self, day: int) -> None:
        """What users do and are shown on a day, under each decider."""
        shown = self._shown.play(day)
        self._days.append(shown)
        self._landing.land(shown, self._shown.subscribers)
        variants = self._variants(shown.morning.people)
        for variant in (PERSONALISED, RANDOMISED):
            self._records.add_day(variant, shown, variants == variant, self._shown.first_ones)
        for group, population in self._others.items():
            other = population.play(day)
            mine = self._variants(other.morning.people) == PERSONALISED
            self._records.add_day(group, other, mine, population.first_ones)
        if (day + 1) % self._horizon == 0:
            horizon = Horizon(self._world, self._setup.program, self._days[-self._horizon :])
            for (shown_on, issue), truth in horizon.truths().items():
                self._truths[issue][shown_on] = truth

    def record_night(self, night: IssueNight) -> None:
        """The night's policies, and those of the nights before it, at the decisions that its estimates are
        about."""
        name, policies = night.issue.name, self._policies[night.issue.name]
        truths, today = self._truths[name], len(self._days) - 1
        policies.add_night(night, self._days[-1])
        window = night.issue.evaluation.window_days
        counted = range(max(0, today - window + 1), today - self._horizon + 1)
        tonight = policies.tonight(night, truths, counted)
        shown = {
            self._date(day): values for day, values in policies.of_the_night_before(night, truths).items()
        }
        units = {self._date(day): float(len(truth)) for day, truth in truths.items()}
        earlier = mean_over_cohorts(night, shown, units)
        self._looks += gate_looks(night, tonight)
        self._estimates += estimates_beside_truth(night, {PROGRESSIVE: earlier, CROSS_FITTED: tonight}, None)
        self._budgets += self._budget_use(night)
        self._uplift[name] = uplift_rows(night) or self._uplift.get(name, [])

    def _budget_use(self, night: IssueNight) -> list[Row]:
        """By tonight's slates; where the app decides nobody sees these, and it is by what was shown today."""
        if self._setup.served is None:
            return budget_use(night)
        decisions = self._days[-1].decisions
        mine = decisions.issue == ISSUES.index(night.issue.name)
        return use_of_day(night, decisions.arm[mine & decisions.decision_id.is_valid().to_numpy(False)])

    def report(self, seconds: dict[str, float]) -> Report:
        """All that was recorded."""
        program, first = self._setup.program, self._setup.program.start_date
        issue = next(iter(program.issues.values()))
        dated = [(first + timedelta(days=number)).isoformat() for number in range(len(self._days))]
        began = {group: int((self._first_ones == variant).sum()) for group, variant in _VARIANT_OF.items()}
        results = AssistanceResults(
            program=program.program,
            description=program.description,
            reward=issue.rewards.name,
            seed=self._setup.seed,
            users=self._setup.users,
            first_day=first,
            nights=len(self._days),
            estimator=issue.judged_by,
            confidence=issue.evaluation.confidence,
            read_over=min(HEADLINE_DAYS, len(self._days)),
            lift=self._records.lift_row(issue.evaluation.confidence),
            reached=self._records.reached(),
            looks=self._looks,
            estimates=self._with_realised(),
            seconds=seconds,
            horizon=self._horizon,
            days=_dated(dated, self._records.values()),
            retention=_dated(dated, self._records.retention(began)),
            groups=self._records.groups(),
            served=self._setup.served is not None,
            budgets=self._budgets,
            uplift=[row for rows in self._uplift.values() for row in rows],
        )
        return Report(results, page(results), headline(results))

    def _with_realised(self) -> list[Row]:
        """The estimates of champions beside what was realised afterwards: what that was worth which
        personalised users were shown in as many days as a horizon has, for a decision is worth more the less
        of the horizon is left in which its user could cancel."""
        champions = {(look["ds"], look["issue"]): look["champion"] for look in self._looks}

        def realised(row: Row) -> float | None:
            champion = champions[row["ds"], row["issue"]]
            if row["policy"] != champion or row["estimand"] != CROSS_FITTED:
                return None
            night = (date.fromisoformat(row["ds"]) - self._setup.program.start_date).days
            return self._personalised(row["issue"], range(night + 1, night + 1 + self._horizon))

        return [{**row, "realised": realised(row)} for row in self._estimates]

    def _personalised(self, issue: str, days: range) -> float | None:
        """What that was worth on average which personalised users were shown for an issue on some days; None
        where one of these is not known yet, or nobody was shown anything."""
        truths = self._truths[issue]
        if any(day not in truths for day in days):
            return None
        shown = []
        for day in days:
            people = self._days[day].morning.people.take(truths[day].place)
            shown.append(truths[day].of_shown()[self._variants(people) == PERSONALISED])
        worth = np.concatenate(shown)
        return float(worth.mean()) if len(worth) else None

    def _variants(self, people: People) -> AnyArray:
        """(n,): the variant of the experiment that each user is in, whether or not there is a slate."""
        users = pa.table({"user_id": self._setup.pseudonymise(pa.array(people.ids, pa.string()))})
        return self._assignment.variants(user_keys(users))

    @property
    def _assignment(self) -> Assignment:
        issue = next(iter(self._setup.program.issues.values()))
        shares = {name: variant.share for name, variant in issue.variants.items()}
        return Assignment.at_first(issue.salt, shares, issue.start_date)

    def _date(self, day: int) -> date:
        return self._setup.program.start_date + timedelta(days=day)


def decider(world: World, setup: Setup) -> Decider:
    """Who chooses what users are shown: the program's app, or its slates."""
    program = setup.program
    if setup.served is not None:
        return ServedApp(world, program, setup.served)
    return PublishedSlates(world, program, setup.slates, setup.pseudonymise)


_VARIANT_OF: Mapping[str, str] = {
    group: RANDOMISED if group == RANDOMISED else PERSONALISED for group in GROUPS
}


def horizon_days(program: Program) -> int:
    """The days of the horizon of staying, the same for all issues. Raises SpecError where there is none, or
    where issues differ in it or in what is worth what."""
    rewards = [issue.rewards for issue in program.issues.values()]
    staying = {
        (each.survival.value, each.window_of(each.survival.unless), each.values.get(each.survival.unless))
        if each.survival
        else None
        for each in rewards
    }
    if len(staying) > 1 or None in staying:
        raise SpecError(
            f"{program.program}: this world is about staying, so all issues need the same rewards.survival;"
            " say it beside `issues`"
        )
    survival = rewards[0].survival
    return rewards[0].window_of(survival.unless).days if survival else 0


def uplift_rows(night: IssueNight) -> list[Row]:
    """What the night estimated of the uplift of help by predicted gain; nothing where the program does not
    ask."""
    if night.issue.uplift is None:
        return []
    kept = ("issue", "learner", "figure", "at", "value", "lower", "upper", "spent")
    days = ("ds", "first_day", "last_day")
    return [
        {**{name: row[name] for name in kept}, **{name: row[name].isoformat() for name in days}}
        for row in night.rows("uplift").to_pylist()
    ]


def _dated(days: list[str], rows: list[dict[str, float | None]]) -> list[Row]:
    return [{"day": day, **row} for day, row in zip(days, rows, strict=True)]
