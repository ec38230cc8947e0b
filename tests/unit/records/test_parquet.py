"""Parquet of other writers, and Parquet that is damaged."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightslate.records.chunks import UnusableFileError
from nightslate.records.reading import read

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)


def test_int96_is_a_time_in_utc(tmp_path):
    """What Spark writes unless it is told otherwise, also where nanoseconds of 64 bits do not reach."""
    early = datetime(1, 1, 1, tzinfo=UTC)
    naive = pa.array([NOON.replace(tzinfo=None), early.replace(tzinfo=None), None], pa.timestamp("us"))
    table = pa.table({"t": naive, "n": naive})
    pq.write_table(table.select(["t"]), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    rows = pa.concat_tables(chunk.rows for chunk in read(tmp_path / "a.parquet"))
    assert rows["t"].type == pa.timestamp("us", "UTC")
    assert rows["t"].to_pylist() == [NOON, early, None]
    pq.write_table(table.select(["n"]), tmp_path / "a.parquet")
    (kind,) = {chunk.rows.schema.field("n").type for chunk in read(tmp_path / "a.parquet")}
    assert kind == pa.timestamp("us")


def groups(path):
    pq.write_table(
        pa.table({"a": range(300), "b": [f"text {k}" for k in range(300)]}), path, row_group_size=100
    )
    return pq.ParquetFile(path).metadata


def test_a_damaged_row_group_costs_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    chunk = groups(path).row_group(1).column(1)
    content = bytearray(path.read_bytes())
    begin = chunk.dictionary_page_offset
    content[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    with pytest.raises(UnusableFileError):
        list(read(path))


def test_row_groups_with_other_rows_than_the_footer_says(tmp_path, monkeypatch):
    groups(tmp_path / "a.parquet")
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *args, **more: list(whole(*args, **more))[:-1])
    with pytest.raises(UnusableFileError, match="hold 200 rows, the footer says 300"):
        list(read(tmp_path / "a.parquet", at_once=100))


def test_a_column_name_twice(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UnusableFileError, match="a column name stands twice"):
        list(read(tmp_path / "a.parquet"))


def test_some_columns_of_some_rows(tmp_path):
    groups(tmp_path / "a.parquet")
    chunks = list(read(tmp_path / "a.parquet", columns=["b", "no such"], at_once=150))
    assert [chunk.rows.column_names for chunk in chunks] == [["b"]] * len(chunks)
    assert [number for chunk in chunks for number in chunk.numbers.tolist()] == list(range(1, 301))
