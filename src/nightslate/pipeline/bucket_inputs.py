"""What tasks read of a table: the files of some days, dealt into user buckets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from nightslate.contracts import arrow as arrow_contracts
from nightslate.engines import Input
from nightslate.pipeline.night import Night
from nightslate.tables import Table


def bucket_input(night: Night, table: Table, columns: Sequence[str], since: date) -> Input:
    """Columns of a table from `since` up to this night, from one pinned snapshot."""
    schema = arrow_contracts.schema(table.contract)
    return Input(table.snapshot().files(since, night.ds), schema).columns(columns)
