"""The trajectories that end on a night, for programs whose decisions follow one another."""

from __future__ import annotations

from nightslate.contracts import arrow as arrow_contracts
from nightslate.frames.days import days_before, first_day
from nightslate.frames.samples import CREDIT_COLUMNS
from nightslate.frames.sequences import IMPRESSION_COLUMNS, Trajectories, transitions_ended_on
from nightslate.steps import sequences
from nightslate.steps.inputs import bucket_input
from nightslate.steps.meaning import outdated, require_one_meaning, with_meaning
from nightslate.steps.night import Night, shared_with_other_nights
from nightslate.tables import spark as spark_tables


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
    table = night.table("transitions")
    schema = arrow_contracts.schema(table.contract, partition=False)
    rows = transitions_ended_on(
        night.spark,
        night.ds,
        inputs,
        Trajectories(sequence.gap, sequence.longest),
        schema,
        night.program.buckets,
    )
    attempt = table.begin(night.ds)
    spark_tables.write(rows, attempt, sort_by=("user_id", "occurred_at", "impression_id"))
    staged = attempt.seal()
    table.publish(staged, with_meaning(night, "transitions"))
    return staged.rows
