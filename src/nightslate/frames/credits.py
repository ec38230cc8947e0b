"""Credits of the outcomes of every bucket of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import chain

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.frames.attribution import CREDITS, Attributor
from nightslate.frames.buckets import BucketInput, map_buckets
from nightslate.records.overlap import Overlap

FOUND = pa.unify_schemas([pa.schema([("bucket", pa.int32()), ("reason", pa.string())]), CREDITS])
"""Credits, whose reason is null, and outcomes without any, which have no impression."""

_OVERLAP = pa.schema([(field.name, pa.int64()) for field in fields(Overlap)])


def found_by_bucket(
    spark: SparkSession, impressions: BucketInput, outcomes: BucketInput, how: Attributor, buckets: int
) -> DataFrame:
    """`FOUND`: what became of the outcomes. Of the impressions those of users with outcomes are kept."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        if not tables["outcomes"].num_rows:
            return
        attributed = how.attribute(tables["impressions"], tables["outcomes"])
        for rows in chain(attributed.credits(), [attributed.unattributed]):
            rows = rows.append_column("bucket", pa.repeat(pa.scalar(bucket, pa.int32()), len(rows)))
            widened = pa.concat_tables([FOUND.empty_table(), rows], promote_options="default")
            yield from widened.to_batches()

    inputs = {"outcomes": outcomes, "impressions": impressions.of_users_in("outcomes")}
    return map_buckets(spark, inputs, kernel, from_arrow_schema(FOUND), buckets)


def known_keys(spark: SparkSession, impressions: BucketInput, outcomes: BucketInput, buckets: int) -> Overlap:
    """How many outcomes have keys that the impressions have too."""

    def kernel(_: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        found = Overlap.of(tables["impressions"], tables["outcomes"])
        yield pa.RecordBatch.from_pylist([asdict(found)], _OVERLAP)

    inputs = {"outcomes": outcomes, "impressions": impressions.of_users_in("outcomes")}
    counted = map_buckets(spark, inputs, kernel, from_arrow_schema(_OVERLAP), buckets)
    return sum((Overlap(**row.asDict()) for row in counted.collect()), Overlap())
