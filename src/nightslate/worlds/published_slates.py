"""The published slates as a rec engine reads them: it knows rankings, and no weight or propensity of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from deltalake import DeltaTable

from nightslate.contracts import arrow, load

_COLUMNS = arrow.types(map(load("slates").column, ("slate_id", "user_id", "variant", "ranking")))


def newest_slates(folder: Path, day: date, users: pa.Array) -> pa.RecordBatch:
    """The newest slate of a day for each of these users, pseudonyms, in their order: slate_id, user_id,
    variant and ranking, all null for whoever has none. `folder`: of the table, which may not be there yet."""
    published = _COLUMNS.empty_table()
    if DeltaTable.is_deltatable(str(folder)):
        newest = DeltaTable(folder).to_pyarrow_dataset()
        published = newest.to_table(_COLUMNS.names, filter=pyarrow.dataset.field("slate_date") == day)
    slates = published.take(pc.index_in(users, published["user_id"].combine_chunks()))
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in slates.columns], _COLUMNS.names)
