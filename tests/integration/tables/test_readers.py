"""Every reader that the README names reads the same rows, Spark's included."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType
from tests.integration.tables.rows import MONDAY, TUESDAY

from nightslate.contracts import Column, arrow, load
from nightslate.tables import Table, Warehouse

NOON = datetime(2026, 11, 16, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def slates(tmp_path: Path) -> Table:
    """A table with every type but int32."""
    return Warehouse(tmp_path).table("shop", load("slates"))


@pytest.fixture
def impressions(tmp_path: Path) -> Table:
    context = [Column(name="age", type="double"), Column(name="plan", type="string")]
    return Warehouse(tmp_path).table("shop", load("impressions").with_columns(context))


def slate(number: int) -> dict[str, Any]:
    return {
        "slate_id": f"{number:064x}",
        "user_id": f"{number:032x}",
        "issue": "homepage",
        "variant": "a",
        "policy": "lin_ts",
        "model_digest": "0" * 64,
        "candidates": ["x", "007"],
        "weights": [0.1, 0.9],
        "ranking": ["007", "x"],
        "propensities": [0.9, 1.0],
    }


def impression(number: int) -> dict[str, Any]:
    return {
        "impression_id": f"i{number:03d}",
        "decision_id": "d",
        "user_id": f"{number:032x}",
        "occurred_at": NOON + timedelta(microseconds=number),
        "surface": None,
        "slot": 1,
        "arm_id": "007",
        "propensity": 0.25,
        "propensity_kind": "marginal",
        "slate_id": None,
        "eligible_arms": ["007", "x"] if number % 2 else None,
        "variant": None,
        "policy": None,
        "age": 41.5,
        "plan": "gold",
    }


def test_polars_duckdb_and_pyarrow_read_alike(slates: Table) -> None:
    schema = arrow.schema(slates.contract, partition=False)
    attempt = slates.begin(MONDAY)
    for number in range(4):
        attempt.write(pa.Table.from_pylist([slate(number)], schema), bucket=number % 2)
    slates.publish(attempt.seal(), {})
    expected = sorted(slates.snapshot().to_arrow().to_pylist(), key=lambda row: row["slate_id"])
    assert len(expected) == 4
    assert expected[0] == slate(0) | {
        "weights": [pytest.approx(0.1), pytest.approx(0.9)],
        "groups": None,
        "penalty": None,
        "issue_probability": None,
        "shown_from": None,
        "shown_until": None,
        "slate_date": MONDAY,
    }

    files = SubTreeFileSystem(str(slates.path), LocalFileSystem())
    dataset = DeltaTable(slates.path).to_pyarrow_dataset(filesystem=files)
    by_duckdb = duckdb.sql("select * from dataset order by slate_id").to_arrow_table()
    by_polars = pl.read_delta(str(slates.path)).sort("slate_id")
    assert dataset.to_table().sort_by("slate_id").to_pylist() == expected
    assert by_duckdb.to_pylist() == expected
    assert by_polars.to_dicts() == expected
    assert by_polars.schema["weights"] == pl.List(pl.Float32)
    assert by_polars.schema["slate_date"] == pl.Date


def test_spark_reads_the_files_of_the_snapshot_and_no_other(spark: SparkSession, impressions: Table) -> None:
    schema = arrow.schema(impressions.contract, partition=False)
    for day, number in ((MONDAY, 1), (TUESDAY, 2)):
        impressions.replace(day, pa.Table.from_pylist([impression(number)], schema), {})
    pinned = impressions.snapshot()
    impressions.replace(MONDAY, pa.Table.from_pylist([impression(3)], schema), {})
    frame = through_spark(spark, DeltaTable(pinned.path, version=pinned.version))
    assert frame.columns == [column.name for column in impressions.contract.columns]
    by_spark = frame.orderBy("impression_id").toArrow().to_pylist()
    assert by_spark == pinned.to_arrow().to_pylist()
    assert [row["impression_id"] for row in by_spark] == ["i001", "i002"]
    tuesday = frame.where(frame.ds == TUESDAY)
    assert [(row.impression_id, row.ds) for row in tuesday.collect()] == [("i002", TUESDAY)]


def through_spark(spark: SparkSession, table: DeltaTable) -> DataFrame:
    """As the README says."""
    schema = StructType.fromJson(json.loads(table.schema().to_json()))
    path = Path(table.table_uri.removeprefix("file://"))
    return spark.read.schema(schema).option("basePath", str(path)).parquet(*table.file_uris())
