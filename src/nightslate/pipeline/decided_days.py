"""The days that the champion decided: who it was, and by which levers its slates were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pyarrow.compute as pc

from nightslate.kernels.control_evaluation import Controlled
from nightslate.kernels.controls import CONTROLS
from nightslate.kernels.controls.control import DecidedDay, Played
from nightslate.kernels.progressive import Cohort, Cohorts
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.pipeline.arms import offered_arms
from nightslate.pipeline.champion_reigns import champions_of
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.slate_goals import adjustment
from nightslate.tables import Table

_DAY = timedelta(days=1)


def controlled(
    night: IssueNight, cohorts: Cohorts, arms: Table, promotions: Table, multipliers: Table
) -> Controlled:
    """The champion and the controls that the issue asks for, on the days of cohorts of which there is a model
    of the champion, and the multipliers of goals and budgets where slates had some."""
    champions = champions_of(night, promotions, [day - _DAY for day in cohorts.by_day])
    days = {}
    for day, cohort in cohorts.by_day.items():
        levers = _levers(night.at(day - _DAY), arms, multipliers)
        champion = champions[day - _DAY]
        if champion in cohort.models and levers is not None:
            days[day] = _decided(night, cohort, champion, levers)
    controls = tuple(CONTROLS[name] for name in night.issue.evaluation.controls)
    return Controlled({day: cohorts.by_day[day] for day in days}, days, controls)


def _decided(night: IssueNight, cohort: Cohort, champion: str, levers: WeightAdjustment) -> DecidedDay:
    issue = night.issue
    played = Played(cohort.models[champion], issue.floor, levers)
    return DecidedDay(played, _rule(night, cohort, played), issue.rewards.costs, issue.slots)


def _rule(night: IssueNight, cohort: Cohort, champion: Played) -> Played | None:
    """Who decides for the users of the control."""
    issue, control = night.issue, night.issue.experiment.control
    if control is None:
        return None
    model = cohort.models.get(issue.variants[control].learner(champion.model.learner))
    if model is None:
        return None
    levers = champion.adjustment if control in issue.adjusted else WeightAdjustment()
    return replace(champion, model=model, adjustment=levers)


def _levers(night: IssueNight, arms: Table, multipliers: Table) -> WeightAdjustment | None:
    """What the night added to the choices of its models; None where that is not known any more."""
    issue, offered = night.issue, offered_arms(night, arms)
    if issue.tilts_slates and not offered.num_rows:
        return None
    added = adjustment(night, offered)
    if not (issue.exposure or issue.budgets):
        return added
    solved = multipliers.rows(night.slate_date, night.slate_date)
    mine = solved.filter(pc.field("issue") == issue.name)
    by_arm: Mapping[str, float] = dict(
        zip(mine["arm_id"].to_pylist(), mine["multiplier"].to_pylist(), strict=True)
    )
    return replace(added, multipliers=by_arm) if by_arm else None


def withheld_share(
    night: IssueNight, days: Mapping[date, DecidedDay], withheld: Table, slates: Table
) -> float:
    """Of users whom the issue could have had slates for on these days, the share who got none by contact
    rules or for want of a channel; 0 where the program has neither."""
    if not (night.program.withholds and days):
        return 0.0
    ends, without = (min(days), max(days)), withheld.snapshot()
    reasons = (  # a file at a time: all of them are of all users
        without.rows_of(file, ["reason"])["reason"] for file in without.files(*ends) if file.day in days
    )
    kept = sum(len(each) - (pc.sum(pc.equal(each, "not_concerned")).as_py() or 0) for each in reasons)
    got = sum(file.rows for file in slates.snapshot().files(*ends) if file.day in days)
    return float(kept / max(1, kept + got))
