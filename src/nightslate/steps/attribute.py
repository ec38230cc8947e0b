"""The day's outcomes to the impressions of the window before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.frames.attribution import (
    CREDITS,
    IMPRESSION_COLUMNS,
    OUTCOME_COLUMNS,
    attribute_bucket,
)
from nightslate.frames.buckets import map_buckets
from nightslate.frames.days import days_before, first_day
from nightslate.steps.inputs import bucket_input
from nightslate.steps.night import Night
from nightslate.tables import spark as spark_tables


def run(night: Night) -> str:
    """The outcomes of the day, and before it of the days that no night of theirs has attributed yet."""
    for day in night.days_looked_back_on():
        earlier = night.at(day)
        if earlier.table("outcomes").is_written(day) and not earlier.table("credits").is_written(day):
            _attribute(earlier)
    return _attribute(night)


def _attribute(night: Night) -> str:
    """One partition of credits: a pure function of the outcomes of ds and the impressions before them."""
    rewards = night.program.rewards
    values, window = dict(rewards.values), rewards.window
    since = first_day(night.ds, 1 + days_before(window))
    inputs = {
        "impressions": bucket_input(night, "impressions", IMPRESSION_COLUMNS, since),
        "outcomes": bucket_input(night, "outcomes", OUTCOME_COLUMNS, night.ds),
    }

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        yield from attribute_bucket(bucket, tables, values, window)

    found = map_buckets(night.spark, inputs, kernel, from_arrow_schema(CREDITS), night.program.buckets)
    table = night.table("credits")
    attempt = table.begin(night.ds)
    spark_tables.write(found, attempt, sort_by=table.contract.key)
    staged = attempt.seal()
    table.publish(staged, night.commit_metadata)
    outcomes = sum(file.rows for file in inputs["outcomes"].files)
    return f"{staged.rows} credits for {outcomes} outcomes"
