"""The slates that impressions of a day may name, and what these say of when they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.show_times import COLUMNS, ShowTimes, outside_their_times
from nightslate.pipeline.night import Night
from nightslate.tables import Staged, Table

OUTSIDE = "nightslate.outside_times"
"""How many impressions of a day were shown at another time than their slate may be, in its commit."""


def published_for(night: Night, slates: Table, columns: Sequence[str]) -> Input:
    """Every slate ever published for ds or the day before. Those of the day before are shown until those of
    ds are there; those that were replaced, as long as a reader keeps to an older version of the table. They
    count until vacuum removes their files."""
    days = (night.ds - timedelta(days=1), night.ds)
    versions = {commit.version for day in days for commit in slates.history(day)}
    snapshots = (slates.snapshot(), *map(slates.snapshot, sorted(versions)))
    files = {file.path: file for snapshot in snapshots for file in snapshot.files(*days)}
    schema = arrow.schema(slates.contract)
    there = [files[path] for path in sorted(files) if path.exists()]
    return Input(there, schema, partition="slate_date").columns(columns)


def outside_times(night: Night, impressions: Staged, slates: Table) -> int | None:
    """How many impressions were shown at another time than their slate may be; they are kept, for their
    propensities are right. None where slates may be shown at any time."""
    if ShowTimes.of(night.program.contacts, night.ds) is None:
        return None
    shown = Input(impressions.data_files, arrow.schema(night.contract("impressions")))
    inputs = {
        "impressions": shown.columns(("user_id", "slate_id", "occurred_at")),
        "slates": published_for(night, slates, ("user_id", "slate_id", *COLUMNS)),
    }

    def counted(tables: Tables) -> pa.Table:
        return pa.table({"outside": [outside_their_times(tables["impressions"], tables["slates"])]})

    found = night.engine.map(counted, Work(inputs, night.program.buckets))
    return int(pc.sum(found["outside"]).as_py())
