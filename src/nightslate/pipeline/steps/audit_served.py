"""Each decision that was served, recomputed: from the logs, the features as of it and the recorded model."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Input, Tables, Work
from nightslate.errors import ContractError
from nightslate.kernels.contacts import IMPRESSIONS_READ
from nightslate.kernels.served_contacts import against_rules
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.contact_rules import contacts_tonight, shown_before
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.lookback import days_learnt_from, shared_with_other_nights
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_by import Recorded, is_served, recomputed_by
from nightslate.serving.recomputed import DECISION_COLUMNS
from nightslate.tables import Table

_NAMED, _DAY = 10, timedelta(days=1)


def run(
    night: Night,
    impressions: Table,
    features: Table,
    models: Table,
    multipliers: Table,
    allocations: Table,
    served_decisions: Table,
) -> str:
    """Those of the day, and before it of the days that are learnt from and that no night of theirs has
    audited yet. Raises ContractError where a decision of these days does not follow from what is known of it:
    nobody learns from it, or from anything, until it is made good."""
    days, recorded = days_learnt_from(night, models), Recorded(models, multipliers, allocations)
    with shared_with_other_nights():
        landed = impressions.snapshot().written().keys() & {*days}
        for day in sorted(landed - served_decisions.snapshot().written().keys()):
            _audit(night.at(day), impressions, features, recorded, served_decisions)
        recomputed = _audit(night, impressions, features, recorded, served_decisions)
    found = served_decisions.rows(min([night.ds, *days]), night.ds)
    _require_sound(found.filter(found["fault"].is_valid()))
    return (
        f"{recomputed} arms of served decisions: each is the one that was drawn, its propensity is exact"
        f"{_unknown(found.filter(found['unknown'].is_valid()))}"
    )


def _audit(
    night: Night,
    impressions: Table,
    features: Table,
    recorded: Recorded,
    served_decisions: Table,
) -> int:
    """Writes one partition; returns how many rows it has."""
    context = [*(column.name for column in night.program.logs.context), *night.program.consents]
    shown = bucket_input(night, impressions, (*DECISION_COLUMNS, *context), night.ds).as_it_was()
    inputs: dict[str, Input] = {"impressions": shown}
    known = known_features(night)
    if known is not None:
        inputs["features"] = features_input(night, features, night.ds).as_it_was()
    recomputed = recomputed_by(night, impressions, recorded)
    rules = night.program.contacts
    if rules is not None:
        inputs["before"] = shown_before(night.at(night.ds - _DAY), impressions).of_users_in("impressions")
        contacts = contacts_tonight(night, {})
    order = [(name, "ascending") for name in ("user_id", *served_decisions.contract.key)]

    def verdicts(tables: Tables) -> dict[str, pa.Table]:
        served = is_served(tables["impressions"])
        if known is not None:
            served = known.beside(served, tables["features"])
        found = recomputed(served)
        if rules is not None:
            known_then = pa.concat_tables([tables["before"], served.select(IMPRESSIONS_READ)])
            found = _or_else(found, served["decision_id"], against_rules(contacts, served, known_then))
        return {"served": found.sort_by(order)}

    attempt = {"served": served_decisions.begin(night.ds)}
    staged = night.engine.write(verdicts, Work(inputs, night.program.buckets), attempt)["served"]
    served_decisions.publish(staged, night.commit_metadata)
    return staged.rows


def _or_else(verdicts: pa.Table, decisions: pa.ChunkedArray, faults: pa.Array) -> pa.Table:
    """The verdicts, and other faults of decisions with which nothing else is wrong."""
    place = pc.index_in(verdicts["decision_id"], decisions.combine_chunks()).combine_chunks()
    at = verdicts.column_names.index("fault")
    return verdicts.set_column(at, "fault", pc.coalesce(verdicts["fault"], faults.take(place)))


def _require_sound(wrong: pa.Table) -> None:
    if not wrong.num_rows:
        return
    lines = [f"  {fault}: {rows} rows" for fault, rows in _counts(wrong, "fault").items()]
    first = wrong.select(["ds", "decision_id", "slot", "fault"]).slice(0, _NAMED).to_pylist()
    lines += [f"  {row['ds']} {row['decision_id']}, slot {row['slot']}: {row['fault']}" for row in first]
    raise ContractError(
        "served decisions do not follow from what is known of them, and nobody learns from them (all of them"
        " are in the table served_decisions):\n" + "\n".join(lines)
    )


def _unknown(rows: pa.Table) -> str:
    """A word on decisions that are learnt from and can't be recomputed any more."""
    found = ", ".join(f"{number} ({why})" for why, number in _counts(rows, "unknown").items())
    return f"; WARNING: rows that can't be recomputed any more: {found}" if found else ""


def _counts(rows: pa.Table, column: str) -> dict[str, int]:
    counts = rows.group_by(column, use_threads=False).aggregate([([], "count_all")]).sort_by(column)
    return {row[column]: row["count_all"] for row in counts.to_pylist()}
