"""What tasks read of a table: the files of some days, dealt into user buckets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from nightslate.contracts import arrow as arrow_contracts
from nightslate.engines import Input
from nightslate.pipeline.night import Night
from nightslate.tables import DataFile, Table


def bucket_input(night: Night, table: Table, columns: Sequence[str], since: date) -> Input:
    """Columns of a table from `since` up to this night, from one pinned snapshot."""
    schema = arrow_contracts.schema(table.contract)
    return Input(table.snapshot().files(since, night.ds), schema).columns(columns)


def slates_day_input(table: Table, day: date | None, columns: Sequence[str]) -> Input:
    """Columns of a table that is kept by the day of slates, the day itself among them: of one day, from one
    pinned snapshot; of none, no rows."""
    files = [] if day is None else table.snapshot().files(day, day)
    return files_input(table, files, columns)


def files_input(table: Table, files: Sequence[DataFile], columns: Sequence[str]) -> Input:
    """Columns of some files of a table, that of its partition among them."""
    schema, partition = arrow_contracts.schema(table.contract), table.contract.partition
    return Input(files, schema, partition=partition).columns(columns)
