"""Features of users as of the end of the day, and of its decisions, from what they did before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa

from nightslate.core.features import MOVED
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.arm_features import FeaturesOfArms, columns_of_arms_read
from nightslate.kernels.credited import OF_IMPRESSIONS
from nightslate.kernels.feature_drift import (
    BEFORE,
    NOW,
    counted,
    drift,
    drift_of_arms,
    keyed_drift,
    nothing_counted,
)
from nightslate.kernels.user_features import JOINED_BY, FeaturesOfDay, columns_read
from nightslate.pipeline.arms import last_values
from nightslate.pipeline.bucket_inputs import bucket_input, users_asked
from nightslate.pipeline.feature_states import STATES, DaysBefore
from nightslate.pipeline.lookback import days_attributed_to, days_with_features, shared_with_other_nights
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import in_words, outdated, with_meaning
from nightslate.programs.contexts import context_of
from nightslate.programs.days import end_of
from nightslate.programs.feature_states import state_of
from nightslate.programs.features import (
    ARM,
    Aggregate,
    aggregates,
    by_source,
    first_day_of,
    of_arms,
    of_each_user,
    of_users,
)
from nightslate.tables import Table

_DAYS_BEFORE, _NAMED = 7, 5
_Write = Callable[[Night, Mapping[str, Table], Table, Table], str]
"""(night, logs, arms, the table that is written) -> what was."""


def run(
    night: Night,
    activity: Table,
    impressions: Table,
    outcomes: Table,
    users: Table,
    arms: Table,
    credits: Table,
    models: Table,
    feature_states: Table,
    features: Table,
    features_of_arms: Table,
    feature_drift: Table,
) -> str:
    """Those of the day, and before it of the days whose decisions are learnt from which no night of theirs
    has computed yet, or under other features than the program has by now."""
    logs = {"activity": activity, "impressions": impressions, "outcomes": outcomes, "credits": credits}

    def merge_days_and_write(at: Night, logs: Mapping[str, Table], arms: Table, features: Table) -> str:
        before = DaysBefore.of(at, logs, feature_states)
        before.merge()
        return write_users(at, logs, users, arms, before, features)

    writes: dict[str, tuple[_Write, Table]] = {"features": (merge_days_and_write, features)}
    if of_arms(night.program.features):
        writes["features_of_arms"] = (write_arms, features_of_arms)
    with shared_with_other_nights():
        landed = impressions.snapshot().written().keys() & set(days_with_features(night, models))
        said, anew = [], ""
        for name, (write, table) in writes.items():
            known = table.snapshot().written()
            changed = {day: why for day, why in outdated(night, name, known).items() if day in landed}
            for day in sorted((landed - known.keys()) | changed.keys()):
                write(night.at(day), logs, arms, table)
            if changed:
                anew += f"; {in_words(changed)}, and computed anew"
            said.append(write(night, logs, arms, table))
        moved = _drift(night, features, features_of_arms, feature_drift)
        return f"{'; '.join(said)}{moved}{anew}"


def write_users(
    night: Night,
    logs: Mapping[str, Table],
    users: Table,
    arms: Table,
    before: DaysBefore,
    features: Table,
) -> str:
    """One partition: a pure function of the logs of the windows before the end of ds, as far as they were
    known, of when decisions of ds were made, and of what users agree to by then. Of days that are merged
    already the states are read."""
    program, by_log = night.program, by_source(of_each_user(night.program.features))
    merged = before.merged()
    inputs = {source: _rows_read(night, logs[source], of_log, merged) for source, of_log in by_log.items()}
    events = sum(given.rows for given in inputs.values())
    if merged:
        inputs[STATES] = before.states_input(merged)
    if "credits" in by_log:
        first = days_attributed_to(night.at(first_day_of(night.ds, by_log["credits"])))[0]
        inputs["credited"] = bucket_input(night, logs["impressions"], OF_IMPRESSIONS, first)
    of_decisions = program.features_as_of == "temporal"
    needs = features.contract.needs
    consents = tuple(dict.fromkeys(needs.values()))
    if of_decisions:
        decided = ("user_id", "occurred_at", *consents)
        inputs["decisions"] = bucket_input(night, logs["impressions"], decided, night.ds)
    if needs:
        inputs["users"] = users_asked(night, users, consents)
    computed = FeaturesOfDay(by_log, night.ds, of_decisions, _values(night, arms), merged, needs)
    order = [(name, "ascending") for name in features.contract.key]
    columns = [column.name for column in features.contract.file_columns]

    def in_order(tables: Tables) -> dict[str, pa.Table]:
        return {"features": computed(tables).select(columns).sort_by(order)}

    work = Work(inputs, program.buckets)
    staged = night.engine.write(in_order, work, {"features": features.begin(night.ds)})["features"]
    features.publish(staged, with_meaning(night, "features"))
    wanted = sum(map(len, by_log.values()))
    of_days = f" and the states of {len(merged)} days" if merged else ""
    return f"{wanted} features of {staged.rows} moments from {events} events{of_days}"


def _rows_read(night: Night, log: Table, of_log: Sequence[Aggregate], merged: frozenset[date]) -> Input:
    """The rows of a log for features of it: of days that are merged, for those that are of each event."""
    source = log.contract.name
    read = bucket_input(night, log, columns_read(source, of_log), first_day_of(night.ds, of_log))
    of_events = [each for each in of_log if state_of(each.spec) is None]
    since = first_day_of(night.ds, of_events) if of_events else night.ds
    return replace(read, files=[file for file in read.files if file.day >= since or file.day not in merged])


def write_arms(night: Night, logs: Mapping[str, Table], arms: Table, features_of_arms: Table) -> str:
    """The same of arms alone: of those that were on offer on any day of the windows."""
    by_log = by_source(of_arms(night.program.features))
    first = min(first_day_of(night.ds, of_log) for of_log in by_log.values())
    offered = arms.rows(first, night.ds).sort_by("ds")
    computed = FeaturesOfArms(by_log, night.ds, tuple(sorted({*offered["arm_id"].to_pylist()})))
    inputs = {
        source: bucket_input(
            night, logs[source], columns_of_arms_read(source, of_log), first_day_of(night.ds, of_log)
        )
        for source, of_log in by_log.items()
        if source != "arms"
    }
    if "credits" in by_log:
        before = days_attributed_to(night.at(first_day_of(night.ds, by_log["credits"])))[0]
        inputs["credited"] = bucket_input(night, logs["impressions"], OF_IMPRESSIONS, before)
    nothing = computed.initial()
    found = night.engine.fold(nothing, computed.update, Work(inputs, night.program.buckets))
    dates = {column: last_values(offered, column) for column in night.program.logs.arm_dates}
    rows = computed.rows(found, dates)
    features_of_arms.replace(
        night.ds, features_of_arms.typed(rows.to_pylist()), with_meaning(night, "features_of_arms")
    )
    return f"{sum(map(len, by_log.values()))} features of {rows.num_rows} arms"


def _drift(night: Night, features: Table, features_of_arms: Table, feature_drift: Table) -> str:
    """Records how far tonight's features are from those of the days before. A word on those that moved."""
    first, program = night.ds - timedelta(days=_DAYS_BEFORE), night.program
    of_no_user = [each.name for each in of_arms(program.features)]
    columns = context_of(of_users(program.features))
    keyed = [each for each in program.keyed if each.name not in of_no_user]
    names = [*(each.name for each in columns), *(each.name for each in keyed)]
    read = bucket_input(night, features, (*JOINED_BY["features"], *names), first)
    nothing, end = nothing_counted(columns, keyed), end_of(night.ds)
    found = night.engine.fold(
        {BEFORE: nothing, NOW: nothing},
        lambda tables: counted(tables["features"], nothing, end),
        Work({"features": read}, program.buckets),
    )
    both = found[BEFORE], found[NOW]
    rows = [drift(*both, each) for each in columns] + [keyed_drift(*both, each) for each in keyed]
    if of_no_user:
        of_days = features_of_arms.rows(first, night.ds)
        rows += [drift_of_arms(of_days, name, night.ds) for name in of_no_user]
    typed = feature_drift.typed([{**row, "first_day": first} for row in rows])
    feature_drift.replace(night.ds, typed, night.commit_metadata)
    moved = {row["feature"]: row["psi"] for row in rows if row["psi"] is not None and row["psi"] > MOVED}
    if not moved:
        return ""
    worst = sorted(moved, key=lambda name: -moved[name])
    listed = ", ".join(f"{name} {moved[name]:.2f}" for name in worst[:_NAMED])
    more = ", ..." if len(worst) > _NAMED else ""
    return f"; WARNING: {len(worst)} features have moved since {first} (population stability): {listed}{more}"


def _values(night: Night, arms: Table) -> dict[str, dict[str, str]]:
    """By category of arms that features are told apart by: what each arm had when it was last on offer."""
    keyed = [each for each in aggregates(night.program.features) if each.spec.by not in (None, ARM)]
    categories = list(dict.fromkeys(each.spec.by or "" for each in keyed))
    if not keyed:
        return {}
    offered = arms.rows(first_day_of(night.ds, keyed), night.ds).sort_by("ds")
    return {each: last_values(offered, each) for each in categories}
