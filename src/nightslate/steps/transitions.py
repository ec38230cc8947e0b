"""The trajectories that end on a night, for programs whose decisions follow one another."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.rewards import CREDIT_COLUMNS
from nightslate.kernels.trajectories import IMPRESSION_COLUMNS, Trajectories
from nightslate.programs.days import days_before, first_day
from nightslate.steps import sequences
from nightslate.steps.inputs import bucket_input
from nightslate.steps.meaning import outdated, require_one_meaning, with_meaning
from nightslate.steps.night import Night, shared_with_other_nights


def run(night: Night) -> str:
    """Those of the night, and before it of the nights that are learnt from and were never run, or under
    another meaning of rewards or of sequences than the program has by now."""
    require_one_meaning(night, "credits", "attribute", night.days_looked_back_on()[0])
    with shared_with_other_nights():
        shown = night.table("impressions").snapshot().written()
        known = night.table("transitions").snapshot().written()
        changed = outdated(night, "transitions", known).keys() & shown.keys()
        for day in night.days_learnt_from:
            if day in changed or (day in shown and day not in known):
                _write(night.at(day))
        return f"{_write(night)} decisions of trajectories that ended"


def _write(night: Night) -> int:
    """One partition: a pure function of the impressions and credits up to ds."""
    sequence = sequences.rules(night)
    since = first_day(night.ds, 1 + days_before(sequence.span))
    context = (feature.name for feature in night.program.logs.context)
    inputs = {
        "impressions": bucket_input(night, "impressions", (*IMPRESSION_COLUMNS, *context), since),
        "credits": bucket_input(night, "credits", CREDIT_COLUMNS, since),
    }
    table, ds = night.table("transitions"), night.ds
    trajectories = Trajectories(sequence.gap, sequence.longest)

    def ended(tables: Tables) -> dict[str, pa.Table]:
        return {"transitions": trajectories.ended_on(ds, tables["impressions"], tables["credits"])}

    work = Work(inputs, night.program.buckets)
    staged = night.engine.write(ended, work, {"transitions": table.begin(night.ds)})["transitions"]
    table.publish(staged, with_meaning(night, "transitions"))
    return staged.rows
