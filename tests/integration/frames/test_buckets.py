"""Users in buckets, handed out by Spark: what a kernel reads, and that it finds what it finds without."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet
import pytest
from pyspark.sql.pandas.types import from_arrow_schema
from tests.oracles.attribution import Terms
from tests.unit.frames.histories import (
    HOUR,
    START,
    attributor,
    done,
    impressions_table,
    outcomes_table,
    shown,
)

from nightslate.frames.attribution import CREDITS
from nightslate.frames.buckets import BucketInput, bucket_of, map_buckets
from nightslate.tables import DataFile

DS = START.date()
HOW = attributor(Terms(rule="linear", window=10 * HOUR))
COUNTS = pa.schema(
    [("bucket", pa.int32()), ("table", pa.string()), ("ds", pa.date32()), ("rows", pa.int64())]
)


def histories(people=40):
    """Impressions on two days and outcomes of the second, for users that are pseudonyms."""
    ids = [f"{n * 2654435761 % 2**32:08x}" + "0" * 24 for n in range(people)]
    impressions = [
        shown(4 * n + k, 3 * k - 6, "ab"[(n + k) % 2], user=user)
        for n, user in enumerate(ids)
        for k in range(4)
    ]
    outcomes = [done(n, n % 9, arm=[None, "a"][n % 2], user=user) for n, user in enumerate(ids)]
    return impressions_table(impressions), outcomes_table(outcomes)


def bucketed(folder, name, table, buckets):
    """The rows as the tables keep them: a file for each day and bucket, without the day."""
    files, rows = [], table.to_pylist()
    for day in sorted({row["occurred_at"].date() for row in rows}):
        for bucket in range(buckets):
            of_day = [row for row in rows if row["occurred_at"].date() == day]
            mine = [row for row in of_day if int(row["user_id"][:8], 16) % buckets == bucket]
            if mine:
                path = folder / f"{name}-{day}-{bucket}.parquet"
                pyarrow.parquet.write_table(pa.Table.from_pylist(mine, table.schema), path)
                files.append(DataFile(path, day, bucket, len(mine), path.stat().st_size))
    return BucketInput(files, table.schema)


def credits_of(bucket, tables):
    for piece in HOW.attribute(tables["impressions"], tables["outcomes"]).credits():
        yield from piece.to_batches()


def counts_of(bucket, tables):
    """How many rows the kernel sees of each table and day."""
    for name, table in tables.items():
        days = table["ds"].to_pylist()
        for day in sorted(set(days)) or [None]:
            row = {"bucket": bucket, "table": name, "ds": day, "rows": days.count(day)}
            yield from pa.Table.from_pylist([row], COUNTS).to_batches()


@pytest.mark.parametrize("buckets", [1, 3])
def test_buckets_through_spark_are_the_kernel_called_directly(spark, tmp_path, buckets):
    impressions, outcomes = histories()
    directly = pa.Table.from_batches(credits_of(0, {"impressions": impressions, "outcomes": outcomes}))
    by = [("outcome_id", "ascending"), ("impression_id", "ascending")]
    inputs = {
        "outcomes": bucketed(tmp_path, "outcomes", outcomes, buckets),
        "impressions": bucketed(tmp_path, "impressions", impressions, buckets).of_users_in("outcomes"),
    }

    found = map_buckets(spark, inputs, credits_of, from_arrow_schema(CREDITS), buckets).toArrow()

    assert directly.num_rows > 40
    assert found.sort_by(by).to_pylist() == directly.sort_by(by).to_pylist()


def test_a_table_without_files_is_empty_and_days_come_from_the_path(spark, tmp_path):
    impressions, _ = histories(6)
    schema = impressions.schema.append(pa.field("ds", pa.date32()))
    inputs = {
        "here": BucketInput(bucketed(tmp_path, "impressions", impressions, 2).files, schema),
        "nowhere": BucketInput([], schema),
    }
    rows = map_buckets(spark, inputs, counts_of, from_arrow_schema(COUNTS), 2).toArrow().to_pylist()
    by_day = dict.fromkeys((DS - timedelta(days=1), DS), 0)
    for row in rows:
        if row["table"] == "here":
            by_day[row["ds"]] += row["rows"]
    assert by_day == {DS - timedelta(days=1): 12, DS: 12}
    assert [(row["ds"], row["rows"]) for row in rows if row["table"] == "nowhere"] == [(None, 0)] * 2


def test_rows_of_users_that_another_table_lacks_are_dropped_as_they_are_read(spark, tmp_path):
    impressions, outcomes = histories(6)
    few = outcomes.slice(1, 2)
    schema = impressions.schema.append(pa.field("ds", pa.date32()))
    of_few = few.schema.append(pa.field("ds", pa.date32()))
    inputs = {
        "impressions": BucketInput(
            bucketed(tmp_path, "impressions", impressions, 2).files, schema, "outcomes"
        ),
        "outcomes": BucketInput(bucketed(tmp_path, "outcomes", few, 2).files, of_few),
    }
    rows = map_buckets(spark, inputs, counts_of, from_arrow_schema(COUNTS), 2).toArrow().to_pylist()
    assert sum(row["rows"] for row in rows if row["table"] == "impressions") == 8
    assert sum(row["rows"] for row in rows if row["table"] == "outcomes") == 2


def test_the_bucket_of_a_user_is_that_of_the_first_32_bits(spark):
    ids = ["00000000" + "f" * 24, "ffffffff" + "0" * 24, "80000001" + "a" * 24, "0000000b" + "5" * 24]
    frame = spark.createDataFrame([(one,) for one in ids], "user_id string")
    found = [row[0] for row in frame.select(bucket_of(frame["user_id"], 7)).collect()]
    assert found == [int(one[:8], 16) % 7 for one in ids]
