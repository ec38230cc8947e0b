"""The Data Docs of the night: Great Expectations on a sample of what it took in and published.

Every row was held against its contract before anyone could read it, file by file and bucket by bucket; this
is what people look at who know Great Expectations."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from nightslate.pipeline.night import Night
from nightslate.reports.data_docs import write_data_docs
from nightslate.tables import Table

_ROWS = 10_000


def run(
    night: Night,
    impressions: Table,
    outcomes: Table,
    users: Table,
    arms: Table,
    references: Table,
    activity: Table,
    signals: Table,
    slates: Table,
    assignments: Table,
) -> str:
    """Writes reports/expectations/<program>."""
    logs = (impressions, outcomes, users, arms, references, activity, signals)
    published, of = night.published
    days = {**dict.fromkeys(night.program.logs.names, night.ds), published: of}
    tables = {table.contract.name: table for table in (*logs, slates, assignments)}
    samples = {
        f"{night.name} {name} {day}": (_sample(tables[name], day), tables[name].contract)
        for name, day in days.items()
    }
    write_data_docs(samples, night.data_docs)
    return f"{len(samples)} tables, in {night.data_docs}"


def _sample(table: Table, day: date) -> pa.Table:
    """The first rows of a day, from as many of its files as it takes."""
    snapshot, rows = table.snapshot(), 0
    parts = [snapshot.to_arrow(day, day).slice(0, 0)] if not snapshot.files(day, day) else []
    for file in snapshot.files(day, day):
        if rows < _ROWS:
            parts.append(snapshot.rows_of(file).slice(0, _ROWS - rows))
            rows += parts[-1].num_rows
    return pa.concat_tables(parts)
