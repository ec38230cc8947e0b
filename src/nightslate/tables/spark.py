"""Spark's way into and out of a table: it reads the exact files of a snapshot, and writes into an attempt."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from nightslate.contracts import Contract
from nightslate.contracts import spark as rendering
from nightslate.tables.snapshot import Snapshot
from nightslate.tables.staging import Attempt, Staged


def read(
    spark: SparkSession, snapshot: Snapshot, since: date | None = None, until: date | None = None
) -> DataFrame:
    """The rows of the days from `since` to `until`, both included, with the contract's columns and types."""
    schema = rendering.schema(snapshot.contract)
    files = [str(file.path) for file in snapshot.files(since, until)]
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).option("basePath", str(snapshot.path)).parquet(*files)


def read_staged(spark: SparkSession, staged: Staged, contract: Contract) -> DataFrame:
    """The rows of a sealed attempt, without the partition column, which they get by being published."""
    schema = rendering.schema(contract, partition=False)
    files = [str(staged.data / file.path) for file in staged.files]
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).option("basePath", str(staged.data)).parquet(*files).select(schema.names)


def write(rows: DataFrame, attempt: Attempt, sort_by: Sequence[str]) -> None:
    """Writes rows that have a column `bucket` (0, 1, ...) beside the contract's: one file a bucket.

    Within a file the rows are sorted by `sort_by`, so that equal rows make equal files if it is a key.
    """
    columns = [*rendering.schema(attempt.contract, partition=False).names, "bucket"]
    (
        rows.select(columns)
        .repartition("bucket")
        .sortWithinPartitions("bucket", *sort_by)
        .write.partitionBy("bucket")
        .parquet(str(attempt.path))
    )
