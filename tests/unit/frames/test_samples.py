"""Matured impressions and the rewards known for them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.frames import days
from nightslate.frames.samples import Sample, arm_places, folds_of, matured, user_keys

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def impressions(*times, arms=None):
    n = len(times)
    return pa.table(
        {
            "impression_id": pa.array([f"i{i}" for i in range(n)], pa.string()),
            "occurred_at": pa.array(list(times), pa.timestamp("us", "UTC")),
            "arm_id": pa.array(arms or ["a"] * n, pa.string()),
        }
    )


def credited(**by_impression):
    pairs = [(name, value) for name, values in by_impression.items() for value in values]
    return pa.table(
        {
            "impression_id": pa.array([name for name, _ in pairs], pa.string()),
            "credit": pa.array([value for _, value in pairs], pa.float64()),
        }
    )


def rewards(table):
    return dict(zip(table["impression_id"].to_pylist(), table["reward"].to_pylist(), strict=True))


def test_a_reward_is_the_sum_of_the_credits_and_0_without_any():
    rows = matured(impressions(NOON, NOON, NOON), credited(i0=[1.0, 0.25], i2=[-1.0], other=[5.0]), NOON)
    assert rewards(rows) == {"i0": 1.25, "i1": 0.0, "i2": -1.0}


def test_an_impression_whose_window_is_not_over_teaches_nothing_not_even_0():
    rows = impressions(NOON, NOON + MICROSECOND, NOON - MICROSECOND)
    assert rewards(matured(rows, credited(i1=[1.0]), NOON)) == {"i2": 0.0, "i0": 0.0}


def test_rows_come_in_one_order_whatever_the_files():
    rows = impressions(NOON, NOON - MICROSECOND, NOON)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = matured(rows.take(order), credited(), NOON)
        assert found["impression_id"].to_pylist() == ["i1", "i0", "i2"]


@pytest.mark.parametrize("times", [(), (NOON + MICROSECOND,)])
def test_no_matured_rows_are_rows_all_the_same(times):
    rows = matured(impressions(*times), credited(), NOON)
    assert rows.num_rows == 0
    assert rows.schema.field("reward").type == pa.float64()


def test_what_has_matured_by_the_end_of_a_day():
    ds = date(2026, 11, 16)
    midnight = datetime(2026, 11, 17, tzinfo=UTC)
    assert days.end_of(ds) == midnight
    assert days.matured_before(ds, timedelta(hours=12)) == NOON
    assert days.first_day(ds, 1) == ds
    assert days.first_day(ds, 28) == date(2026, 10, 20)
    spans = [timedelta(hours=1), timedelta(days=1), timedelta(days=1, seconds=1)]
    assert [days.days_before(span) for span in spans] == [1, 1, 2]
    assert days.microseconds(timedelta(days=14)) == 14 * 86_400 * 10**6


def test_a_user_is_its_first_64_bits_and_raw_ids_are_none():
    ids = pa.table({"user_id": ["0123456789abcdef" + "f" * 16, "f" * 32]})
    assert user_keys(ids).tolist() == [0x0123456789ABCDEF, 2**64 - 1]
    with pytest.raises(InvalidInputError):
        user_keys(pa.table({"user_id": ["raw-user-1@example.com"]}))


def test_a_user_is_in_one_fold_and_folds_are_even():
    users = np.random.default_rng(1).integers(0, 2**63, 20_000).astype(np.uint64)
    folds = folds_of(users, "shop", 5)
    assert (folds == folds_of(users[::-1], "shop", 5)[::-1]).all()
    assert (np.bincount(folds, minlength=5) > 3_700).all()
    assert (folds != folds_of(users, "another", 5)).mean() > 0.7


def test_arms_are_matched_by_id():
    rows = impressions(NOON, NOON, NOON, NOON, arms=["b", "gone", "a", None])
    assert arm_places(rows, ("a", "b")).tolist() == [1, -1, 0, -1]
    assert arm_places(rows, ("b", "a")).tolist() == [0, -1, 1, -1]


def test_a_row_is_as_old_as_its_day():
    moments = [
        datetime(2026, 11, 16, 23, 59, tzinfo=UTC),
        datetime(2026, 11, 16, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 15, 23, 59, tzinfo=UTC),
        datetime(2026, 10, 17, 12, 0, tzinfo=UTC),
    ]
    rows = pa.table({"occurred_at": pa.array(moments, pa.timestamp("us", "UTC"))})
    sample = Sample("shop", date(2026, 11, 16), {}, moments[0], buckets=1)
    assert sample.ages(rows).tolist() == [0, 0, 1, 30]
    assert sample.ages(rows.slice(0, 0)).tolist() == []
