"""Last touch within 14 days, by user, in several ways: each reads Parquet and writes credits as Parquet."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.dataset
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F
from tests.benchmarks.attribution.by_buckets import LAST_TOUCH, WINDOW

from nightslate.files.attribution.attribute import attribute

_ASOF = """
copy (
    select impression_id, outcome_id, kind, value as credit, value,
        (epoch_us(outcomes.occurred_at) - epoch_us(impressions.occurred_at)) / 1e6 as lag_seconds,
        'last_touch' as rule
    from read_parquet($outcomes) as outcomes asof join read_parquet($impressions) as impressions
        on outcomes.user_id = impressions.user_id and outcomes.occurred_at >= impressions.occurred_at
    where outcomes.occurred_at - impressions.occurred_at <= $longest
) to $out (format parquet)
"""


def by_duckdb(impressions: Path, outcomes: Path, out: Path, threads: int) -> None:
    """Its ASOF join, on so many threads."""
    with duckdb.connect(config={"threads": threads}) as connection:
        paths = {"impressions": str(impressions), "outcomes": str(outcomes), "out": str(out)}
        connection.execute(_ASOF, {**paths, "longest": WINDOW})


def by_polars(impressions: Path, outcomes: Path, out: Path) -> None:
    """Its join_asof, on as many threads as there are cores."""
    shown = pl.scan_parquet(impressions).select("user_id", "impression_id", "occurred_at")
    shown = shown.with_columns(shown_at="occurred_at").sort("occurred_at")
    done = pl.scan_parquet(outcomes).sort("occurred_at")
    joined = done.join_asof(shown, on="occurred_at", by="user_id", tolerance=WINDOW, check_sortedness=False)
    lag = (pl.col("occurred_at") - pl.col("shown_at")).dt.total_microseconds() / 1e6
    joined.filter(pl.col("impression_id").is_not_null()).select(
        "impression_id",
        "outcome_id",
        "kind",
        pl.col("value").alias("credit"),
        "value",
        lag.alias("lag_seconds"),
        pl.lit("last_touch").alias("rule"),
    ).sink_parquet(out)


def by_file_command(impressions: Path, outcomes: Path, out: Path) -> None:
    """As `nightslate attribute` does it."""
    attribute(impressions, outcomes, LAST_TOUCH, out, progress=_silent)


def by_spark_windows(spark: SparkSession, impressions: Path, outcomes: Path, out: Path) -> None:
    """As one would write it in Spark: the latest impression in a window over the rows of both."""
    shown = spark.read.parquet(str(impressions)).select(
        "user_id",
        "occurred_at",
        F.struct("impression_id", F.col("occurred_at").alias("shown_at")).alias("shown"),
    )
    rows = spark.read.parquet(str(outcomes)).unionByName(shown, allowMissingColumns=True)
    before = Window.partitionBy("user_id").orderBy("occurred_at").rowsBetween(Window.unboundedPreceding, 0)
    latest = rows.withColumn("shown", F.last("shown", ignorenulls=True).over(before))
    lag = (F.unix_micros("occurred_at") - F.unix_micros("shown.shown_at")) / 1e6
    found = latest.where(F.col("outcome_id").isNotNull()).withColumn("lag_seconds", lag)
    found.where(F.col("lag_seconds") <= WINDOW.total_seconds()).select(
        "shown.impression_id",
        "outcome_id",
        "kind",
        F.col("value").alias("credit"),
        "value",
        "lag_seconds",
        F.lit("last_touch").alias("rule"),
    ).write.mode("overwrite").parquet(str(out))


def figures(out: Path) -> tuple[int, int, float]:
    """Credited outcomes, the microseconds from their impressions to them, and the credit, of a result."""
    kept = out / "credits" / "data"  # of an attempt
    found = pyarrow.dataset.dataset(kept if kept.is_dir() else out, format="parquet")
    rows = found.to_table(columns=["lag_seconds", "credit"])
    lags = np.rint(rows["lag_seconds"].to_numpy() * 1e6).astype(np.int64)
    return rows.num_rows, int(lags.sum()), float(rows["credit"].to_numpy().sum())


def _silent(*_: object) -> None:
    """Nobody is told."""
