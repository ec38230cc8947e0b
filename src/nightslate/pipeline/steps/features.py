"""Features of users as of the end of the day, and of its decisions, from what they did before."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.user_features import ACTIVITY_COLUMNS, FeaturesOfDay
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.lookback import days_with_features, shared_with_other_nights
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import in_words, outdated, with_meaning
from nightslate.programs.days import days_before
from nightslate.programs.features import aggregates, columns_looked_at
from nightslate.tables import Table


def run(night: Night, activity: Table, impressions: Table, models: Table, features: Table) -> str:
    """Those of the day, and before it of the days whose decisions are learnt from which no night of theirs
    has computed yet, or under other features than the program has by now."""
    with shared_with_other_nights():
        landed = activity.snapshot().written().keys() & set(days_with_features(night, models))
        known = features.snapshot().written()
        changed = {day: why for day, why in outdated(night, "features", known).items() if day in landed}
        for day in sorted((landed - known.keys()) | changed.keys()):
            _write(night.at(day), activity, impressions, features)
        anew = f"; {in_words(changed)}, and computed anew" if changed else ""
        return f"{_write(night, activity, impressions, features)}{anew}"


def _write(night: Night, activity: Table, impressions: Table, features: Table) -> str:
    """One partition: a pure function of the activity of the windows before the end of ds, as far as it was
    known, and of when decisions of ds were made."""
    program, wanted = night.program, aggregates(night.program.features)
    looked_at = [n for n in columns_looked_at(program.features.values()) if n not in ACTIVITY_COLUMNS]
    longest = max(days_before(each.window or timedelta(0)) for each in wanted)
    inputs = {
        "activity": bucket_input(
            night, activity, (*ACTIVITY_COLUMNS, *looked_at), night.ds - timedelta(days=longest)
        )
    }
    of_decisions = program.features_as_of == "temporal"
    if of_decisions:
        inputs["impressions"] = bucket_input(night, impressions, ("user_id", "occurred_at"), night.ds)
    computed = FeaturesOfDay(wanted, night.ds, of_decisions)
    order = [(name, "ascending") for name in features.contract.key]

    def in_order(tables: Tables) -> dict[str, pa.Table]:
        return {"features": computed(tables).sort_by(order)}

    work = Work(inputs, program.buckets)
    staged = night.engine.write(in_order, work, {"features": features.begin(night.ds)})["features"]
    features.publish(staged, with_meaning(night, "features"))
    return f"{len(wanted)} features of {staged.rows} moments from {inputs['activity'].rows} events"
