"""The same table in any container, by any writer, is the same table: equal rows, equal ids, equal rejects."""

import csv
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.unit.kernels.landed import CONFORMER, CONTRACT, NOON, whatever_comes_of

from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import ids, instants, numbers, texts_or_none
from nightslate.files.rows import read
from nightslate.records.pointed import pointed_columns_of

IDS = [column.name for column in CONTRACT.landing_columns if column.is_id]
SCHEMA = pa.schema(
    [
        ("impression_id", pa.int64()),
        ("decision_id", pa.int64()),
        ("user_id", pa.int64()),
        ("slate_id", pa.int64()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int64()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("age", pa.float64()),
    ]
)


def gaps(values):
    return st.one_of(st.none(), values)


rows = st.fixed_dictionaries(
    {
        "decision_id": st.integers(0, 2**40),
        "user_id": gaps(st.integers(-5, 2**52)),
        "slate_id": gaps(st.integers(0, 99)),
        "occurred_at": gaps(
            st.integers(-1000, 90_000_000_000).map(lambda us: NOON + timedelta(microseconds=us))
        ),
        "slot": gaps(st.integers(0, 3)),
        "arm_id": gaps(st.sampled_from(["a", "b", "z", 'b"', "a, b", "é"])),
        "propensity": gaps(st.sampled_from([0.5, 1.0, 1.0000001, 0.0, 1.5, 1e-12, 0.3])),
        "age": gaps(st.integers(0, 99).map(float)),
    }
)
tables = st.lists(rows, min_size=1, max_size=8).map(
    lambda found: pa.Table.from_pylist([row | {"impression_id": k} for k, row in enumerate(found)], SCHEMA)
)


def with_duckdb(options):
    def write(table, path):
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            connection.register("rows", table)
            connection.execute(f"copy rows to '{path}' ({options})")

    return write


def with_csv_module(**options):
    def write(table, path):
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, **options)
            writer.writerow(table.column_names)
            writer.writerows(row.values() for row in table.to_pylist())

    return write


def to_json(table, path):
    lines = "".join(f"{json.dumps(row, default=str)}\n" for row in table.to_pylist())
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(lines.encode())


def of_types(*kinds, **options):
    def write(table, path):
        schema = pa.schema([(f.name, dict(kinds).get(f.type, f.type)) for f in table.schema])
        pa.parquet.write_table(table.cast(schema), path, **options)

    return write


WRITERS = {
    "arrow.parquet": of_types(),
    "int96.parquet": of_types(
        (SCHEMA.field("occurred_at").type, pa.timestamp("us")), use_deprecated_int96_timestamps=True
    ),
    "views.parquet": of_types((pa.string(), pa.string_view()), (pa.int64(), pa.decimal128(25, 2))),
    "floats.parquet": of_types((pa.int64(), pa.float64()), (pa.string(), pa.large_string())),
    "texts.parquet": of_types((pa.int64(), pa.string()), (pa.float64(), pa.string())),
    "nanoseconds.parquet": of_types((SCHEMA.field("occurred_at").type, pa.timestamp("ns", "Asia/Tokyo"))),
    "pandas.parquet": lambda table, path: table.to_pandas().to_parquet(path),
    "polars.parquet": lambda table, path: pl.from_arrow(table).write_parquet(path),
    "duckdb.parquet": with_duckdb("format parquet"),
    "arrow.csv": lambda table, path: pa.csv.write_csv(table, path),
    "pandas.csv": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "pandas.csv.gz": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "pandas.csv.zst": lambda table, path: pa.output_stream(str(path), compression="zstd").write(
        table.to_pandas().to_csv(None, index=False).encode()
    ),
    "polars.csv": lambda table, path: pl.from_arrow(table).write_csv(path),
    "duckdb.csv": with_duckdb("header"),
    "quoted.csv": with_csv_module(quoting=csv.QUOTE_ALL),
    "minimal.csv": with_csv_module(),
    "python.jsonl": to_json,
    "python.json.gz": to_json,
    "pandas.json": lambda table, path: table.to_pandas().to_json(
        path, orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15
    ),
    "polars.ndjson": lambda table, path: pl.from_arrow(table).write_ndjson(path),
    "duckdb.json": with_duckdb("format json"),
}


def night(path):
    """What a night makes of a file: the rows with their verdicts, in order."""
    pointed = pointed_columns_of([path], IDS)
    table = whatever_comes_of(path, replace(CONFORMER, pointed=pointed)).drop_columns(["_file", "_row"])
    return table.sort_by("_number").to_pylist()


def command(path):
    """What a command makes of it: columns, and bad rows."""
    found = read(path)
    bad = BadRows(found)
    columns = [ids(found, "impression_id", bad).keys, ids(found, "user_id", bad).keys]
    columns += [texts_or_none(found, "slate_id", bad), ids(found, "arm_id", bad).keys]
    columns += [numbers(found, name, bad) for name in ("slot", "propensity")]
    columns += [instants(found, "occurred_at", bad).cast(pa.int64())]
    rejects = [(row.number, row.reason) for row in bad.all()]
    good = bad.good.nonzero()[0]
    return [
        [
            pa.array(column.to_pylist() if isinstance(column, pa.ChunkedArray) else column)
            .take(good)
            .to_pylist()
            for column in columns
        ],
        rejects,
    ]


@settings(max_examples=6, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(tables)
def test_the_same_table_in_every_container(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> None:
    folder: Path = tmp_path_factory.mktemp("containers")
    expected = None
    for name, write in WRITERS.items():
        path = folder / name
        write(table, path)
        found = night(path), command(path)
        expected = expected or found
        assert found[0] == expected[0], name
        assert found[1] == expected[1], name


def test_a_column_with_gaps_is_the_column_without(tmp_path: Path) -> None:
    """7 and 7.0 are one user, whichever file has gaps."""
    table = pa.table({"user_id": [7, 8, 9], "impression_id": pa.array([101, None, 103])})
    for name, write in WRITERS.items():
        if name.startswith(("pandas", "polars", "duckdb", "floats")):
            path = tmp_path / name
            write(table, path)
            found = read(path)
            bad = BadRows(found)
            assert texts_or_none(found, "impression_id", bad).to_pylist() == ["101", None, "103"], name
            assert texts_or_none(found, "user_id", bad).to_pylist() == ["7", "8", "9"], name
