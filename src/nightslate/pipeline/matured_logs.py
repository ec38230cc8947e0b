"""The logs that an issue learns from: impressions whose reward is known, and what is counted in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nightslate.core.policies.learner import State
from nightslate.engines import Tables, Work
from nightslate.kernels.examination import POSITION_COLUMNS
from nightslate.kernels.folds import Key
from nightslate.kernels.known_of_arms import numbers_counted
from nightslate.kernels.maturity import COLUMNS as SEEN_IN
from nightslate.kernels.maturity import DELAY_COLUMNS, Kinds, Maturity, known_maturity
from nightslate.kernels.rewards import (
    CHOSEN_BY,
    CREDIT_COLUMNS,
    FEW_VALUED,
    IMPRESSION_COLUMNS,
    REWARDED_BY,
    Matured,
)
from nightslate.kernels.training import Earned, Lessons
from nightslate.kernels.user_features import JOINED_BY
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features, with_features_of_arms
from nightslate.pipeline.fitting import categories
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.stored_meaning import (
    in_words,
    otherwise_meant,
    require_known_propensities,
    require_one_meaning,
)
from nightslate.programs.days import end_of, first_day, matured_before
from nightslate.programs.meaning import SLOTS, key_of
from nightslate.tables import Table

_EARNED: Key = ("what impressions have earned", 0)


@dataclass(frozen=True)
class Logs:
    """The impressions that a night learns from, and their credits: where they are, and which count."""

    work: Work
    matured: Matured

    def rows(self, tables: Tables) -> pa.Table:
        """Of one unit the impressions that count, with rewards."""
        return self.matured.rows(tables)

    def before_costs(self) -> Logs:
        """The same impressions with what they earn, whatever showing them costs."""
        return replace(self, matured=replace(self.matured, costs={}))

    def narrow(self, columns: Iterable[str]) -> Logs:
        """The same impressions, but no more is read of them than these columns and what rewards come from."""
        weighted, joined = self.matured.maturity is not None, self.matured.features is not None
        of_arms = ("arm_id",) if self.matured.costs else ()
        chosen_by = CHOSEN_BY if self.matured.but_of else ()
        rewarded_by = {*REWARDED_BY, *of_arms, *chosen_by, *(SEEN_IN["impressions"] if weighted else ())}
        needed = {"impressions": {*rewarded_by, *(JOINED_BY["impressions"] if joined else ()), *columns}}
        if joined:
            needed["features"] = {*JOINED_BY["features"], *columns}
        inputs = {
            name: given.columns([n for n in given.schema.names if n in needed[name]])
            for name, given in self.work.inputs.items()
            if name in needed
        }
        return replace(self, work=replace(self.work, inputs={**self.work.inputs, **inputs}))


def matured_logs(
    night: IssueNight,
    logs: LogTables,
    arms: Sequence[str],
    window_days: int,
    kinds: frozenset[str] | None = None,
) -> Logs:
    """The impressions of the last `window_days` days that count, with the features of their users, and the
    credits known for them tonight, of these kinds of outcomes alone where they are given. Raises SpecError
    where some of these are what an earlier program said, or nobody knows what they mean."""
    impressions, credits = logs.impressions, logs.credits
    since, rewards = first_day(night.ds, window_days), night.issue.rewards
    require_one_meaning(night, credits, "attribute", since)
    require_known_propensities(night, impressions, since)
    columns = (*IMPRESSION_COLUMNS, *(feature.name for feature in night.program.logs.context))
    if night.issue.examination:
        columns += POSITION_COLUMNS
    if night.issue.external:
        columns = tuple(dict.fromkeys((*columns, *CHOSEN_BY)))
    weighted = rewards.maturity == "ipcw"
    of_kinds = ("kind",) if kinds is not None else ()
    credit_columns = (*CREDIT_COLUMNS, *(DELAY_COLUMNS if weighted else of_kinds))
    inputs = {
        "impressions": bucket_input(night, impressions, columns, since)
        .coded({*FEW_VALUED, *POSITION_COLUMNS, *categories(night)})
        .of_issue(night.only),
        "credits": bucket_input(night, credits, credit_columns, since),
    }
    known = known_features(night)
    if known:
        inputs["features"] = features_input(night, logs.features, since).of_users_in("impressions")
        known = with_features_of_arms(night, known, logs.features_of_arms, since)
    work = Work(inputs, night.program.buckets)
    if weighted:
        maturity = _observed_maturity(night, work, arms)
        until = maturity.counts_until
        return Logs(work, Matured(night.name, night.ds, until, maturity, rewards.costs, known))
    until = matured_before(night.ds, rewards.longest_window)
    matured = Matured(night.name, night.ds, until, costs=rewards.costs, features=known, kinds=kinds)
    return Logs(work, matured)


def _observed_maturity(night: IssueNight, work: Work, arms: Sequence[str]) -> Maturity:
    """What young impressions stand for, from the delays that the logs themselves show: those count that have
    had at least the share `min_seen` of the credit of every kind and arm."""
    rewards = night.issue.rewards
    windows = {kind: rewards.window_of(kind) for kind, worth in sorted(rewards.values.items()) if worth}
    kinds = Kinds(windows, end_of(night.ds), tuple(arms))
    narrow = {name: work.inputs[name].columns(columns) for name, columns in SEEN_IN.items()}
    sums = night.engine.fold(
        {"delays": kinds.no_delays()},
        lambda tables: [("delays", kinds.observed(tables))],
        replace(work, inputs=narrow),
    )
    return known_maturity(sums["delays"], kinds, rewards.min_seen)


def logs_to_weigh(night: IssueNight, impressions: Table, logs: Logs) -> tuple[Logs, str]:
    """What of these logs policies are weighed on, and a word on what is left out. Rows say themselves what
    their propensities mean. Of users whom somebody else decides for none is weighed: an experiment deals
    users without looking at them, so the others speak for all. A decision that is weighed as a whole is worth
    the more the more slots it has, so days of other slots than the program has now are left out."""
    work, written = logs.work, impressions.snapshot().written()
    shown = work.inputs["impressions"]
    read = {file.day for file in shown.files}
    changed = {day: why for day, why in otherwise_meant(night, "impressions", written).items() if day in read}
    slots, whole = key_of(night.issue, SLOTS), night.issue.slots_weighed > 1
    others = {day for day, why in changed.items() if whole and slots in why}
    files = [file for file in shown.files if file.day not in others]
    words = f"; impressions of {in_words(changed)}: what can't be weighed so is left out" if changed else ""
    inputs = {**work.inputs, "impressions": replace(shown, files=files)}
    if external := night.issue.external:
        words += f"; without those of {', '.join(sorted(external))}, for whom somebody else decides"
    matured = replace(logs.matured, but_of=external)
    return Logs(replace(work, inputs=inputs), matured), words


def value_counts(night: Night, logs: Logs, columns: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """How often each value of the columns occurs among the impressions that count, as text."""
    nothing, counting = ValueCounts.initial(columns), logs.matured.counting
    narrow = logs.narrow(columns).work
    counted = {name: given for name, given in narrow.inputs.items() if name != "credits"}
    found = night.engine.fold(
        {"counts": nothing},
        lambda tables: [("counts", nothing.update(counting(tables)))],
        replace(narrow, inputs=counted),
    )
    known, counts = logs.matured.features, dict(found["counts"].by_column)
    shared = known.of_arms.by_feature if known and known.of_arms else {}
    return {name: numbers_counted(each) if name in shared else each for name, each in counts.items()}


def lessons_learnt(
    night: IssueNight, logs: Logs, lessons: Lessons
) -> tuple[dict[str, tuple[State, ...]], Earned]:
    """The states of learners, see `Lessons.states`, and what impressions have earned: one pass."""
    logs = logs.narrow(lessons.columns)

    def update(tables: Tables) -> Iterator[tuple[Key, Any]]:
        rows = logs.rows(tables)
        yield _EARNED, Earned.of(rows)
        yield from lessons.update(rows)

    nothing: dict[Key, Any] = {_EARNED: Earned.initial(), **lessons.initial()}
    found = night.engine.fold(nothing, update, logs.work)
    return lessons.states(found), found[_EARNED]
