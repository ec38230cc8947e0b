"""Rows as the page carries them: by column, texts once, numbers to as many digits as a screen can show."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

MOST_ROWS = 10_000
"""Of a section. Beyond them a page would grow without end: nights are thinned out, evenly."""

_DIGITS = 5


def encoded(rows: pa.Table) -> dict[str, Any]:
    """Column by column; texts and days as the distinct `values` and the place of each (`at`)."""
    return {name: _column(rows[name]) for name in rows.column_names}


def thinned(rows: pa.Table) -> tuple[pa.Table, int]:
    """Every so-manieth night, the newest among them, where there are more than MOST_ROWS; and every which."""
    every = -(-rows.num_rows // MOST_ROWS)
    if every <= 1:
        return rows, 1
    newest_first = sorted(rows["day"].unique().to_pylist(), reverse=True)
    kept = pa.array(newest_first[::every], rows.schema.field("day").type)
    return rows.filter(pc.is_in(rows["day"], kept)), every


def _column(column: pa.ChunkedArray) -> Any:
    if pa.types.is_floating(column.type):
        return [None if value is None else float(f"{value:.{_DIGITS}g}") for value in column.to_pylist()]
    if pa.types.is_string(column.type) or pa.types.is_date(column.type):
        coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
        return {"values": coded.dictionary.to_pylist(), "at": coded.indices.to_pylist()}
    return column.to_pylist()
