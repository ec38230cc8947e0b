"""What the steps that go over user buckets read, and what they are fitted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.core.policies.learner import State
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.examination import POSITION_COLUMNS
from nightslate.kernels.maturity import COLUMNS as SEEN_IN
from nightslate.kernels.maturity import DELAY_COLUMNS, Kinds, Maturity, known_maturity
from nightslate.kernels.rewards import CREDIT_COLUMNS, IMPRESSION_COLUMNS, Matured
from nightslate.kernels.training import AnyLearner, Lessons, arms_of
from nightslate.kernels.value_counts import ValueCounts
from nightslate.programs.days import end_of, first_day, matured_before
from nightslate.programs.meaning import SLOTS
from nightslate.steps.meaning import (
    in_words,
    otherwise_meant,
    require_known_propensities,
    require_one_meaning,
)
from nightslate.steps.night import ISSUE, Night


@dataclass(frozen=True)
class Logs:
    """The impressions that a night learns from, and their credits: where they are, and which count."""

    work: Work
    matured: Matured

    def rows(self, tables: Tables) -> pa.Table:
        """Of one unit the impressions that count, with rewards."""
        return self.matured.rows(tables)


def bucket_input(night: Night, table: str, columns: Sequence[str], since: date) -> Input:
    """Columns of a table from `since` up to this night, from one pinned snapshot."""
    handle = night.table(table)
    schema = arrow_contracts.schema(handle.contract)
    return Input(handle.snapshot().files(since, night.ds), schema).columns(columns)


def matured_logs(night: Night, window_days: int) -> Logs:
    """The impressions of the last `window_days` days that count, and the credits known for them tonight.
    Raises SpecError where some of these are worth what an earlier program said, or nobody knows what they
    mean."""
    since, rewards = first_day(night.ds, window_days), night.program.rewards
    require_one_meaning(night, "credits", "attribute", since)
    require_known_propensities(night, since)
    columns = (*IMPRESSION_COLUMNS, *(feature.name for feature in night.program.logs.context))
    if night.program.examination:
        columns += POSITION_COLUMNS
    weighted = rewards.maturity == "ipcw"
    credit_columns = (*CREDIT_COLUMNS, *(DELAY_COLUMNS if weighted else ()))
    inputs = {
        "impressions": bucket_input(night, "impressions", columns, since),
        "credits": bucket_input(night, "credits", credit_columns, since),
    }
    work = Work(inputs, night.program.buckets)
    if weighted:
        maturity = _observed_maturity(night, work)
        return Logs(work, Matured(night.name, night.ds, maturity.counts_until, maturity))
    return Logs(work, Matured(night.name, night.ds, matured_before(night.ds, rewards.longest_window)))


def _observed_maturity(night: Night, work: Work) -> Maturity:
    """What young impressions stand for, from the delays that the logs themselves show: those count that have
    had at least the share `min_seen` of the credit of every kind and arm."""
    rewards = night.program.rewards
    windows = {kind: rewards.window_of(kind) for kind, worth in sorted(rewards.values.items()) if worth}
    kinds = Kinds(windows, end_of(night.ds), night.arms())
    narrow = {name: work.inputs[name].columns(columns) for name, columns in SEEN_IN.items()}
    sums = night.engine.fold(
        {"delays": kinds.no_delays()},
        lambda tables: [("delays", kinds.observed(tables))],
        replace(work, inputs=narrow),
    )
    return known_maturity(sums["delays"], kinds, rewards.min_seen)


def logs_to_weigh(night: Night, logs: Logs) -> tuple[Logs, str]:
    """What of these logs policies are weighed on, and a word on what is left out. Rows say themselves what
    their propensities mean. A decision that is weighed as a whole is worth the more the more slots it has, so
    days of other slots than the program has now are left out."""
    work = logs.work
    impressions, written = work.inputs["impressions"], night.table("impressions").snapshot().written()
    read = {file.day for file in impressions.files}
    changed = {day: why for day, why in otherwise_meant(night, "impressions", written).items() if day in read}
    others = {day for day, why in changed.items() if night.program.weighs_decisions and SLOTS in why}
    files = [file for file in impressions.files if file.day not in others]
    words = f"; impressions of {in_words(changed)}: what can't be weighed so is left out" if changed else ""
    inputs = {**work.inputs, "impressions": replace(impressions, files=files)}
    return replace(logs, work=replace(work, inputs=inputs)), words


def value_counts(night: Night, logs: Logs, columns: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """How often each value of the columns occurs among the impressions that count, as text."""
    nothing = ValueCounts.initial(columns)
    found = night.engine.fold(
        {"counts": nothing},
        lambda tables: [("counts", nothing.update(logs.rows(tables)))],
        logs.work,
    )
    return found["counts"].by_column


def lessons_learnt(night: Night, logs: Logs, lessons: Lessons) -> dict[str, tuple[State, ...]]:
    """The states of learners, see `Lessons.states`: one pass."""
    found = night.engine.fold(lessons.initial(), lambda tables: lessons.update(logs.rows(tables)), logs.work)
    return lessons.states(found)


def learners(night: Night) -> dict[str, AnyLearner]:
    """The program's learners by name, sorted."""
    return {
        name: LEARNERS[spec.kind](**spec.model_dump(exclude={"kind"}))
        for name, spec in sorted(night.program.learners.items())
    }


def described_arms(night: Night, contexts: Encoder) -> Arms:
    """The arms of the day with their features and what of `contexts` these interact with, in the order of
    `night.arms()`."""
    logs = night.program.logs
    return arms_of(night.rows("arms").sort_by("arm_id"), logs.arm_features, contexts, logs.crosses)


def categories(night: Night) -> tuple[str, ...]:
    """Those of the context columns whose values have to be counted before they can be encoded."""
    return tuple(feature.name for feature in night.program.logs.context if feature.type == "category")


def model_seed(night: Night, learner: str) -> int:
    """The randomness of a learner's models of this night: the one that is scored with and those evaluated."""
    return seed(night.name, ISSUE, learner, night.ds.isoformat())
