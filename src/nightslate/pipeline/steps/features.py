"""Features of users as of the end of the day, and of its decisions, from what they did before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.user_features import FeaturesOfDay, columns_read
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.lookback import days_with_features, shared_with_other_nights
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import in_words, outdated, with_meaning
from nightslate.programs.days import days_before
from nightslate.programs.features import Aggregate, aggregates
from nightslate.tables import Table


def run(
    night: Night, activity: Table, impressions: Table, outcomes: Table, models: Table, features: Table
) -> str:
    """Those of the day, and before it of the days whose decisions are learnt from which no night of theirs
    has computed yet, or under other features than the program has by now."""
    logs = {"activity": activity, "impressions": impressions, "outcomes": outcomes}
    with shared_with_other_nights():
        landed = impressions.snapshot().written().keys() & set(days_with_features(night, models))
        known = features.snapshot().written()
        changed = {day: why for day, why in outdated(night, "features", known).items() if day in landed}
        for day in sorted((landed - known.keys()) | changed.keys()):
            _write(night.at(day), logs, features)
        anew = f"; {in_words(changed)}, and computed anew" if changed else ""
        return f"{_write(night, logs, features)}{anew}"


def _write(night: Night, logs: Mapping[str, Table], features: Table) -> str:
    """One partition: a pure function of the logs of the windows before the end of ds, as far as they were
    known, and of when decisions of ds were made."""
    program, wanted = night.program, aggregates(night.program.features)
    by_log: dict[str, tuple[Aggregate, ...]] = {
        source: tuple(each for each in wanted if each.spec.source == source)
        for source in dict.fromkeys(each.spec.source for each in wanted)
    }
    inputs = {
        source: bucket_input(night, logs[source], columns_read(source, of_log), _first_day(night, of_log))
        for source, of_log in by_log.items()
    }
    events = sum(given.rows for given in inputs.values())
    of_decisions = program.features_as_of == "temporal"
    if of_decisions:
        inputs["decisions"] = bucket_input(night, logs["impressions"], ("user_id", "occurred_at"), night.ds)
    computed = FeaturesOfDay(by_log, night.ds, of_decisions)
    order = [(name, "ascending") for name in features.contract.key]
    columns = [column.name for column in features.contract.file_columns]

    def in_order(tables: Tables) -> dict[str, pa.Table]:
        return {"features": computed(tables).select(columns).sort_by(order)}

    work = Work(inputs, program.buckets)
    staged = night.engine.write(in_order, work, {"features": features.begin(night.ds)})["features"]
    features.publish(staged, with_meaning(night, "features"))
    return f"{len(wanted)} features of {staged.rows} moments from {events} events"


def _first_day(night: Night, of_log: Sequence[Aggregate]) -> date:
    return night.ds - timedelta(days=max(days_before(each.window or timedelta(0)) for each in of_log))
