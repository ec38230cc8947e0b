"""What a night reads to read out an experiment: its allocations, its assignments and the logs since then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Input, Work
from nightslate.kernels.credited import OF_CREDITS
from nightslate.kernels.experiment_users import DRAWN, OWN, SHOWN_COLUMNS, Allocated
from nightslate.kernels.fatigue import KIND
from nightslate.kernels.readouts import Readout
from nightslate.kernels.user_features import JOINED_BY
from nightslate.pipeline.bucket_inputs import bucket_input, files_input
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import days_before
from nightslate.programs.features import ARM, USER, of_users
from nightslate.programs.readouts import FEATURES, FORMER, MOVED, REWARDS
from nightslate.tables import Table
from nightslate.tables.files import Filter

_SAMPLED = 1_000_000
"""Impressions whose users quantiles are taken of: of more, a sample of them."""


_FORMER_DAYS = 28
"""Before the start, in which an earlier experiment is looked for."""


@dataclass(frozen=True)
class ReadoutTables:
    """Those that a readout is made from."""

    assignments: Table
    allocations: Table
    impressions: Table
    outcomes: Table
    credits: Table
    activity: Table
    features: Table
    arms: Table


def first_slates(night: IssueNight) -> date:
    """The first day of slates that the experiment is read out of."""
    return night.issue.experiment.start or night.program.start_date


def allocated(night: IssueNight, allocations: Table, assignments: Table) -> Allocated:
    """How users were dealt on each day up to ds, as nights recorded it."""
    rows = allocations.rows(first_slates(night), night.ds)
    rows = rows.filter(pc.equal(rows["experiment"], night.issue.salt))
    shares: dict[date, dict[str, float]] = {}
    for row in rows.select(["slate_date", "variant", "share"]).to_pylist():
        shares.setdefault(row["slate_date"], {})[row["variant"]] = row["share"]
    variants = tuple(sorted({*night.issue.variants, *(name for each in shares.values() for name in each)}))
    return Allocated(
        night.issue.salt,
        variants,
        {day: tuple(each.get(name, 0.0) for name in variants) for day, each in sorted(shares.items())},
        by_user=_assigned(night, assignments).snapshot().may_have_any(OWN, first_slates(night), night.ds),
    )


def readout_of(night: IssueNight, tables: ReadoutTables, dealt: Allocated) -> Readout:
    """What is read out tonight."""
    asked = night.issue.experiment
    return Readout(
        allocated=dealt,
        ds=night.ds,
        metrics=asked.metrics,
        covariates=asked.covariates,
        segments=asked.told_apart_by,
        arms=_arms(night, tables.arms),
        costs=night.issue.rewards.costs,
        caps={
            name: metric.winsorise.value
            for name, metric in asked.metrics.items()
            if metric.winsorise and metric.winsorise.value is not None
        },
        features=_features(night),
        fatigue=asked.fatigue,
        former=asked.former,
        by_path=asked.weighing == "path",
    )


def _features(night: IssueNight) -> dict[str, float | str]:
    """The features of users that anything is told by, with their defaults."""
    asked = night.issue.experiment
    parts = [*(part for each in asked.metrics.values() for part in each.measured), *asked.covariates.values()]
    names = [*asked.segments, *(part.column for part in parts if part.source == FEATURES)]
    return {
        each.name: each.default
        for each in of_users(night.program.features)
        if each.name in names and each.default is not None
    }


def work_of(night: IssueNight, tables: ReadoutTables, readout: Readout, which: Filter = DRAWN) -> Work:
    """Where the rows are. Users are those that were assigned, and logs begin with the experiment, or so much
    before it as covariates look back. which: the assignments that are looked at, where users have
    probabilities of their own and their whole paths are not asked for."""
    start, sources = first_slates(night), _columns(night, readout)
    together, assignments = night.program.issue_choice is not None, _assigned(night, tables.assignments)
    back = max((days_before(each.looks_back) for each in readout.covariates.values()), default=0)
    since = start - timedelta(days=back)
    of_former = timedelta(days=_FORMER_DAYS if readout.former else 0)
    assigned = assignments.snapshot().files(start - of_former, night.ds)
    of_users = files_input(assignments, assigned, readout.allocated.assignment_columns)
    whole = not readout.allocated.by_user or readout.by_path
    inputs: dict[str, Input] = {"assignments": of_users if whole else of_users.where(which)}
    of_contexts = [name for name in readout.segments if name not in (*readout.features, FORMER, MOVED)]
    shown = tuple(dict.fromkeys([*SHOWN_COLUMNS, *of_contexts, *sources.get("impressions", ())]))
    inputs["impressions"] = (
        bucket_input(night, tables.impressions, shown, since)
        .of_issue(None if together else night.only)
        .of_users_in("assignments")
    )
    of_credits = [*(["credit"] if REWARDS in sources else []), *([KIND] if readout.fatigue else [])]
    if of_credits:
        inputs["credits"] = bucket_input(night, tables.credits, (*OF_CREDITS, *of_credits), since)
    if readout.features:
        known = (*JOINED_BY["features"], *readout.features)
        before = start - timedelta(days=1)
        inputs[FEATURES] = bucket_input(night, tables.features, known, before).of_users_in("assignments")
    for name, table in (("outcomes", tables.outcomes), ("activity", tables.activity)):
        if name in sources:
            columns = tuple(dict.fromkeys([USER, "occurred_at", *sources[name]]))
            inputs[name] = bucket_input(night, table, columns, since).of_users_in("assignments")
    return Work(inputs, night.program.buckets)


def with_quantiles(night: IssueNight, readout: Readout, work: Work) -> Readout:
    """With the most that users count for where a program says so by a quantile of theirs: one pass more over
    the logs, of all users or a sample of them."""
    metrics = night.issue.experiment.metrics
    wanted = {name: each.winsorise.quantile for name, each in metrics.items() if each.winsorise}
    quantiles = {name: quantile for name, quantile in wanted.items() if quantile is not None}
    if not quantiles:
        return readout
    of_one_in = -(-work.inputs["impressions"].rows // _SAMPLED)
    samples = night.engine.fold(
        readout.no_samples([*quantiles]),
        lambda tables: readout.samples(tables, [*quantiles], max(1, of_one_in)),
        work,
    )
    caps = {
        name: float(np.quantile(samples[name].values, quantile))
        for name, quantile in quantiles.items()
        if samples[name].values.size
    }
    return replace(readout, caps={**readout.caps, **caps})


def _assigned(night: IssueNight, assignments: Table) -> Table:
    """Where users are dealt for all issues together, those of all."""
    return assignments.of_all_issues() if night.program.issue_choice is not None else assignments


def _columns(night: IssueNight, readout: Readout) -> Mapping[str, list[str]]:
    """By source the columns of its log that are looked at, those of arms left out: they name the arm."""
    of_arms, found = {*_of_arms(night)}, dict[str, list[str]]()
    for part in readout.parts.values():
        looked_at = [ARM if name in of_arms else name for name in part.looked_at]
        found.setdefault(part.source, []).extend(looked_at)
    return found


def _of_arms(night: IssueNight) -> list[str]:
    """The columns of arms that anything measured looks at."""
    there = [feature.name for feature in night.program.logs.arm_features]
    asked = night.issue.experiment
    parts = [*(part for each in asked.metrics.values() for part in each.measured), *asked.covariates.values()]
    return [name for name in there if any(name in part.looked_at for part in parts)]


def _arms(night: IssueNight, arms: Table) -> pa.Table:
    """Each arm once, as it was last on offer, with what is looked at of it."""
    rows = arms.snapshot().to_arrow(first_slates(night), night.ds, [ARM, *_of_arms(night)])
    last = {arm: place for place, arm in enumerate(rows[ARM].to_pylist())}
    return rows.take(pa.array(list(last.values()), pa.int64()))
