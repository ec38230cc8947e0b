"""Outcomes of a bucket to the impressions before them, and buckets through Spark."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.frames.attribution import CREDITS, IMPRESSION_COLUMNS, OUTCOME_COLUMNS, attribute_bucket
from nightslate.frames.buckets import BucketInput, bucket_of, map_buckets
from nightslate.tables import DataFile

DS = date(2026, 11, 16)
START = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = timedelta(microseconds=10)
VALUES = {"click": 1.0, "sale": 20.0}

STAMP = pa.timestamp("us", "UTC")
IMPRESSIONS = pa.schema(
    zip(IMPRESSION_COLUMNS, [pa.string(), pa.string(), pa.string(), pa.int32(), STAMP], strict=True)
)
OUTCOMES = pa.schema(
    zip(
        OUTCOME_COLUMNS,
        [pa.string(), pa.string(), STAMP, pa.string(), pa.float64(), pa.string(), pa.string()],
        strict=True,
    )
)


def at(microseconds):
    return START + timedelta(microseconds=microseconds)


def shown(number, user="u", arm="a", time=0, slot=1):
    return {
        "impression_id": f"i{number}",
        "user_id": user,
        "arm_id": arm,
        "slot": slot,
        "occurred_at": at(time),
    }


def done(number, user="u", time=5, kind="click", value=1.0, arm=None, impression=None):
    return {
        "outcome_id": f"o{number}",
        "user_id": user,
        "occurred_at": at(time),
        "kind": kind,
        "value": value,
        "arm_id": arm,
        "impression_id": impression,
    }


def tables(impressions, outcomes):
    return {
        "impressions": pa.Table.from_pylist(impressions, IMPRESSIONS),
        "outcomes": pa.Table.from_pylist(outcomes, OUTCOMES),
    }


def credits_of(impressions, outcomes, bucket=0):
    batches = attribute_bucket(bucket, tables(impressions, outcomes), VALUES, WINDOW)
    return pa.Table.from_batches(batches, CREDITS).to_pylist()


def credited(impressions, outcomes):
    """Which impression each credited outcome goes to."""
    return {row["outcome_id"]: row["impression_id"] for row in credits_of(impressions, outcomes)}


def test_a_credit_says_what_it_is_worth_and_how_late_it_came():
    rows = credits_of([shown(1)], [done(1, kind="sale", value=2.5, time=7)], bucket=3)
    assert rows == [
        {
            "bucket": 3,
            "impression_id": "i1",
            "outcome_id": "o1",
            "kind": "sale",
            "credit": 50.0,
            "value": 50.0,
            "lag_seconds": 7e-6,
            "rule": "last_touch",
        }
    ]


def test_an_outcome_that_names_its_impression_goes_to_that_one():
    impressions = [shown(1, time=0), shown(2, time=3)]
    assert credited(impressions, [done(1, impression="i1")]) == {"o1": "i1"}


@pytest.mark.parametrize(
    "outcome",
    [
        done(1, impression="i9"),
        done(1, user="v", impression="i1"),
        done(1, time=11, impression="i1"),
        done(1, time=1, impression="i2"),
    ],
    ids=["unknown", "of another user", "too old", "not shown yet"],
)
def test_an_outcome_that_names_an_impression_goes_to_no_other(outcome):
    assert credited([shown(1), shown(2, time=2), shown(3, user="v")], [outcome]) == {}


def test_the_latest_impression_of_the_user_is_touched():
    impressions = [shown(1, time=0), shown(2, time=4), shown(3, time=6), shown(4, user="v", time=5)]
    assert credited(impressions, [done(1, time=5)]) == {"o1": "i2"}


def test_an_arm_that_is_named_is_the_one_touched():
    impressions = [shown(1, arm="a"), shown(2, arm="b", time=4)]
    outcomes = [done(1, arm="a"), done(2, arm="b"), done(3, arm="c"), done(4)]
    assert credited(impressions, outcomes) == {"o1": "i1", "o2": "i2", "o4": "i2"}


def test_the_window_holds_both_its_ends():
    outcomes = [done(i, time=time) for i, time in enumerate([-1, 0, 10, 11])]
    assert credited([shown(1)], outcomes) == {"o1": "i1", "o2": "i1"}
    named = [done(i, time=time, impression="i1") for i, time in enumerate([-1, 0, 10, 11])]
    assert credited([shown(1)], named) == {"o1": "i1", "o2": "i1"}


def test_of_one_moment_the_last_slot_is_the_latest_and_then_the_last_id():
    assert credited([shown(1, slot=2), shown(2, slot=1)], [done(1)]) == {"o1": "i1"}
    assert credited([shown(2, slot=1), shown(1, slot=1)], [done(1)]) == {"o1": "i2"}


def test_kinds_that_are_worth_nothing_here_get_no_credit():
    assert credited([shown(1)], [done(1, kind="view"), done(2)]) == {"o2": "i1"}
    assert credited([shown(1)], [done(1, kind="view")]) == {}


def test_without_impressions_or_outcomes_there_are_no_credits():
    assert credits_of([], [done(1)]) == []
    assert credits_of([shown(1)], []) == []


users = st.sampled_from(["u", "v"])
arms = st.sampled_from(["a", "b"])
moments = st.integers(-3, 16)
showings = st.sampled_from([-3, 0, 4, 8])  # few, so that impressions share their moment
impressions_drawn = st.lists(
    st.builds(partial(dict), user=users, arm=arms, time=showings, slot=st.integers(1, 2)),
    max_size=8,
)
outcomes_drawn = st.lists(
    st.builds(
        partial(dict),
        user=users,
        time=moments,
        kind=st.sampled_from(["click", "sale", "view"]),
        arm=st.none() | st.sampled_from(["a", "b", "c"]),
        impression=st.none() | st.integers(0, 8).map("i{}".format),
    ),
    max_size=8,
)


def oracle(impressions, outcomes):
    """The words, one outcome at a time."""
    found = {}
    for outcome in outcomes:
        possible = [
            one
            for one in impressions
            if one["user_id"] == outcome["user_id"]
            and one["occurred_at"] <= outcome["occurred_at"] <= one["occurred_at"] + WINDOW
            and outcome["kind"] in VALUES
        ]
        if outcome["impression_id"] is not None:
            possible = [one for one in possible if one["impression_id"] == outcome["impression_id"]]
        elif outcome["arm_id"] is not None:
            possible = [one for one in possible if one["arm_id"] == outcome["arm_id"]]
        if possible:
            latest = max(possible, key=lambda one: (one["occurred_at"], one["slot"], one["impression_id"]))
            found[outcome["outcome_id"]] = latest["impression_id"]
    return found


@settings(max_examples=150, deadline=None)
@given(impressions_drawn, outcomes_drawn, st.randoms(use_true_random=False))
def test_credits_are_what_the_words_say(impressions, outcomes, random):
    impressions = [shown(i, **one) for i, one in enumerate(impressions)]
    outcomes = [done(i, **one) for i, one in enumerate(outcomes)]
    random.shuffle(impressions)
    assert credited(impressions, outcomes) == oracle(impressions, outcomes)


def world(people=40):
    """Impressions on two days and outcomes of the second, for users that are pseudonyms."""
    ids = [f"{n * 2654435761 % 2**32:08x}" + "0" * 24 for n in range(people)]
    impressions = [
        shown(4 * n + k, user=user, arm="ab"[(n + k) % 2], time=3 * k - 6)
        for n, user in enumerate(ids)
        for k in range(4)
    ]
    outcomes = [done(n, user=user, time=n % 9, arm=[None, "a"][n % 2]) for n, user in enumerate(ids)]
    return impressions, outcomes


def bucketed(folder, name, rows, schema, buckets):
    """The rows as the tables keep them: a file for each day and bucket, without the day."""
    files = []
    for day in sorted({row["occurred_at"].date() for row in rows}):
        for bucket in range(buckets):
            mine = [
                r
                for r in rows
                if r["occurred_at"].date() == day and int(r["user_id"][:8], 16) % buckets == bucket
            ]
            if mine:
                path = folder / f"{name}-{day}-{bucket}.parquet"
                pyarrow.parquet.write_table(pa.Table.from_pylist(mine, schema), path)
                files.append(DataFile(path, day, bucket, len(mine), path.stat().st_size))
    return BucketInput(files, schema)


def through_spark(spark, folder, impressions, outcomes, buckets):
    folder.mkdir()
    inputs = {
        "impressions": bucketed(folder, "impressions", impressions, IMPRESSIONS, buckets),
        "outcomes": bucketed(folder, "outcomes", outcomes, OUTCOMES, buckets),
    }
    kernel = partial(attribute_bucket, values=VALUES, window=WINDOW)
    rows = map_buckets(spark, inputs, kernel, from_arrow_schema(CREDITS), buckets).toArrow().to_pylist()
    return sorted(rows, key=lambda row: row["outcome_id"])


def test_buckets_through_spark_are_the_kernel_called_directly(spark, tmp_path):
    impressions, outcomes = world()
    everything = sorted(credits_of(impressions, outcomes), key=lambda row: row["outcome_id"])
    assert len(everything) > 20
    for buckets in (1, 3):
        rows = through_spark(spark, tmp_path / str(buckets), impressions, outcomes, buckets)
        assert {row["bucket"] for row in rows} == set(range(buckets))
        assert [{**row, "bucket": 0} for row in rows] == everything


def test_a_table_without_files_is_empty_and_days_come_from_the_path(spark, tmp_path):
    impressions, _ = world(6)
    schema = pa.schema([*IMPRESSIONS, pa.field("ds", pa.date32())])
    given_files = bucketed(tmp_path, "impressions", impressions, IMPRESSIONS, 2).files
    counts = pa.schema(
        [("bucket", pa.int32()), ("table", pa.string()), ("ds", pa.date32()), ("rows", pa.int64())]
    )

    def kernel(bucket, found):
        for name, table in found.items():
            days = table["ds"].to_pylist() or [None]
            for day in sorted(set(days), key=str):
                row = {"bucket": bucket, "table": name, "ds": day, "rows": table.num_rows}
                yield from pa.Table.from_pylist([row], counts).to_batches()

    inputs = {"here": BucketInput(given_files, schema), "nowhere": BucketInput([], schema)}
    rows = map_buckets(spark, inputs, kernel, from_arrow_schema(counts), 2).toArrow().to_pylist()
    here = [row for row in rows if row["table"] == "here"]
    assert {row["ds"] for row in here} == {DS - timedelta(days=1), DS}
    assert [(row["ds"], row["rows"]) for row in rows if row["table"] == "nowhere"] == [(None, 0)] * 2


def test_the_bucket_of_a_user_is_that_of_the_first_32_bits(spark):
    ids = ["00000000" + "f" * 24, "ffffffff" + "0" * 24, "80000001" + "a" * 24, "0000000b" + "5" * 24]
    frame = spark.createDataFrame([(one,) for one in ids], "user_id string")
    found = [row[0] for row in frame.select(bucket_of(frame["user_id"], 7)).collect()]
    assert found == [int(one[:8], 16) % 7 for one in ids]
