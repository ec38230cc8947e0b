"""Parquet, whose footer says how many records there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from nightslate.records.chunks import Chunk, UnusableFileError, require_each_once

_INSTANT = pa.timestamp("us", "UTC")


def read_parquet(path: Path, columns: Sequence[str] | None, at_once: int, threads: bool) -> Iterator[Chunk]:
    """The records of a file, of these columns alone where some are given. INT96, which Spark writes unless
    spark.sql.parquet.outputTimestampType says otherwise, is a time in UTC.

    Raises UnusableFileError, also half-way, for a file whose row groups hold other rows than the footer
    says."""
    with pa.parquet.ParquetFile(
        path,
        page_checksum_verification=True,
        pre_buffer=False,  # a buffer ahead would keep all that was read until the end
        coerce_int96_timestamp_unit="us",
    ) as file:
        require_each_once(file.schema_arrow.names)
        names = [name for name in file.schema_arrow.names if columns is None or name in columns]
        moments = _int96(file) & set(names)
        yield Chunk(_plain(file.schema_arrow.empty_table().select(names), moments), np.arange(0))
        done = 0
        for batch in file.iter_batches(at_once, columns=names, use_threads=threads):
            batch.validate(full=True)  # damage can leave text that is no UTF-8, and Arrow reads it
            rows = _plain(pa.Table.from_batches([batch]), moments)
            yield Chunk(rows, np.arange(done + 1, done + 1 + rows.num_rows))
            done += rows.num_rows
        in_footer = file.metadata.num_rows
        if done != in_footer:
            raise UnusableFileError(
                "unreadable_file", f"the row groups hold {done} rows, the footer says {in_footer}"
            )


def _int96(file: pyarrow.parquet.ParquetFile) -> set[str]:
    columns = (file.schema.column(place) for place in range(len(file.schema)))
    return {column.path for column in columns if column.physical_type == "INT96"}


def _plain(rows: pa.Table, moments: set[str]) -> pa.Table:
    """With instants in place of INT96, and without views, from which Arrow cannot select rows."""
    kinds = {
        field.name: _INSTANT if field.name in moments else _without_views(field.type) for field in rows.schema
    }
    if all(rows.schema.field(n).type == kind for n, kind in kinds.items()):
        return rows
    return pa.table({name: rows[name].cast(kind) for name, kind in kinds.items()})


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    return kind
