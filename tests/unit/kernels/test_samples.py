"""Impressions and the rewards known for them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.delay_differences import Part
from nightslate.core.errors import InvalidInputError
from nightslate.core.maturity import STEPS, Delays, DelaySums
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.maturity import Kinds, Maturity
from nightslate.kernels.rewards import Matured, arm_places, folds_of, rewarded
from nightslate.programs import days

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
    rows = rewarded(impressions(NOON, NOON, NOON), credited(i0=[1.0, 0.25], i2=[-1.0], other=[5.0]), NOON)
    assert rewards(rows) == {"i0": 1.25, "i1": 0.0, "i2": -1.0}


def test_an_impression_whose_window_is_not_over_teaches_nothing_not_even_0():
    rows = impressions(NOON, NOON + MICROSECOND, NOON - MICROSECOND)
    assert rewards(rewarded(rows, credited(i1=[1.0]), NOON)) == {"i2": 0.0, "i0": 0.0}


def test_rows_come_in_one_order_whatever_the_files():
    rows = impressions(NOON, NOON - MICROSECOND, NOON)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = rewarded(rows.take(order), credited(), NOON)
        assert found["impression_id"].to_pylist() == ["i1", "i0", "i2"]


@pytest.mark.parametrize("times", [(), (NOON + MICROSECOND,)])
def test_no_matured_rows_are_rows_all_the_same(times):
    rows = rewarded(impressions(*times), credited(), NOON)
    assert rows.num_rows == 0
    assert rows.schema.field("reward").type == pa.float64()


HOUR = timedelta(hours=1)
WINDOWS = {"click": HOUR, "task": 8 * HOUR}


def maturity(min_seen, windows=WINDOWS):
    """Half of the clicks come at once, the others when their window ends; tasks come evenly."""
    evenly = np.linspace(0, 1, STEPS + 1)
    at_once = np.where(evenly < 1, 0.5, 1.0)
    kinds = Kinds(windows, known_at=NOON)
    curve = np.arange(len(windows))[:, None]
    seen = np.array([at_once, evenly])[: len(windows)]
    return Maturity(kinds, Delays(kinds.windows_us(), seen, curve), min_seen)


def test_a_young_impression_earns_what_its_credits_stand_for():
    rows = impressions(NOON - 9 * HOUR, NOON - 2 * HOUR, NOON - HOUR / 2, NOON - HOUR / 4)
    known = pa.table(
        {
            "impression_id": ["i0", "i0", "i1", "i1", "i1", "i2", "i2", "i3", "other", "i1"],
            "credit": [1.0, 0.5, 1.0, 0.5, -0.25, 1.0, 1.0, 64.0, 64.0, 0.125],
            "kind": [
                "task",
                "click",
                "task",
                "click",
                "task",
                "click",
                "task",
                "click",
                "task",
                "unheard of",
            ],
            "lag_seconds": [8 * 3600.0, 3600.0, 7200.0, 0.0, 1.0, 0.0, 1800.0, 0.0, 0.0, 0.0],
        }
    )
    weighted = maturity(min_seen=1 / 16)
    assert weighted.counts_until == NOON - HOUR / 2
    found = rewarded(rows, known, weighted.counts_until, weighted)
    # i1 had a quarter of the time of a task and all that of a click, i2 a 16th and half of the clicks
    assert rewards(found) == {"i0": 1.5, "i1": 4 * (1.0 - 0.25) + 0.5 + 0.125, "i2": 2 + 16.0}
    plain = rewarded(rows, known, NOON - 8 * HOUR)
    assert rewards(plain) == {"i0": 1.5}


def test_what_an_arm_costs_is_known_at_once_and_comes_off_once_an_impression():
    """However young the impression is: what it has earned is scaled, its cost is not."""
    rows = impressions(*[NOON - 2 * HOUR] * 4, arms=["dear", "dear", "free", "cheap"])
    known = pa.table(
        {
            "impression_id": ["i0", "i0", "i2"],
            "credit": [1.0, 0.5, 1.0],
            "kind": ["task"] * 3,
            "lag_seconds": [60.0] * 3,
        }
    )
    costs, weighted = {"dear": 0.75, "cheap": 0.25, "never shown": 9.0}, maturity(min_seen=1 / 16)
    found = rewarded(rows, known, weighted.counts_until, weighted, costs)
    assert rewards(found) == {"i0": 4 * 1.5 - 0.75, "i1": -0.75, "i2": 4.0, "i3": -0.25}
    assert rewards(rewarded(rows, known, NOON, costs=costs)) == {
        "i0": 0.75,
        "i1": -0.75,
        "i2": 1.0,
        "i3": -0.25,
    }
    place = rows.column_names.index("arm_id")
    coded = rows.set_column(place, "arm_id", rows["arm_id"].dictionary_encode())
    assert rewards(rewarded(coded, known, NOON, costs=costs))["i1"] == -0.75
    assert rewarded(rows, known, NOON, costs={}).equals(rewarded(rows, known, NOON))
    of_night = Matured("shop", date(2026, 11, 16), NOON, costs=costs)
    assert rewards(of_night.rows({"impressions": rows, "credits": known}))["i3"] == -0.25


def test_young_impressions_without_any_credit_count_as_0():
    weighted = maturity(min_seen=0.5)
    rows = impressions(NOON - 4 * HOUR, NOON - 4 * HOUR + MICROSECOND)
    nothing = pa.schema(
        [
            ("impression_id", pa.string()),
            ("credit", pa.float64()),
            ("kind", pa.string()),
            ("lag_seconds", pa.float64()),
        ]
    ).empty_table()
    assert rewards(rewarded(rows, nothing, weighted.counts_until, weighted)) == {"i0": 0.0}


def test_lags_are_whole_microseconds_again():
    lags = np.arange(10**6, 10**6 + 999)
    known = pa.table(
        {
            "impression_id": ["i0"] * len(lags),
            "credit": np.ones(len(lags)),
            "kind": ["task"] * len(lags),
            "lag_seconds": lags / 1e6,
        }
    )
    credited = Kinds(WINDOWS, NOON).earned(impressions(NOON - HOUR), known).credited
    assert (credited.lags == lags).all()
    assert (credited.ages == HOUR // MICROSECOND).all()


def test_median_delays_are_in_days_and_of_kinds_that_are_known():
    assert maturity(0.5).median_delays() == {"click": 0.0, "task": pytest.approx(4 / 24)}
    kinds = Kinds({"task": HOUR}, NOON)
    seen = np.append(np.full(STEPS, np.nan), 1.0)[None]
    assert Maturity(kinds, Delays(kinds.windows_us(), seen, np.array([[0]])), 0.5).median_delays() == {}


def test_a_young_impression_earns_by_the_delays_of_its_arm():
    evenly = np.linspace(0, 1, STEPS + 1)
    kinds = Kinds({"task": 8 * HOUR}, NOON, arms=("slow",))
    delays = Delays(kinds.windows_us(), np.array([evenly, evenly**2]), np.array([[1, 0]]))
    rows = impressions(*[NOON - 4 * HOUR] * 3, arms=["slow", "quick", "gone"])
    known = pa.table(
        {
            "impression_id": ["i0", "i1", "i2"],
            "credit": [1.0, 1.0, 1.0],
            "kind": ["task"] * 3,
            "lag_seconds": [60.0] * 3,
        }
    )
    weighted = Maturity(kinds, delays, 0.25)
    assert weighted.counts_until == NOON - 4 * HOUR
    found = rewarded(rows, known, weighted.counts_until, weighted)
    assert rewards(found) == {"i0": 4.0, "i1": 2.0, "i2": 2.0}


def test_parts_are_rows_by_arm_in_days():
    parts = (
        Part(0, "all", None, 90.0, 86_400e6, 0.5),
        Part(0, "arm", 0, 40.0, 2 * 86_400e6, 0.25, 4.5, differs=True),
        Part(0, "arm", 1, 50.0, 43_200e6, 0.75, -4.5, differs=True),
    )
    kinds = Kinds({"task": 8 * HOUR}, NOON, arms=("slow",))
    nothing = DelaySums.zero(1, 2).delays(kinds.windows_us())
    # the second arm stands for all that are no longer there
    assert Maturity(kinds, nothing, 0.5, parts).rows() == [
        {
            "kind": "task",
            "part": "all",
            "arm_id": None,
            "credits": 90.0,
            "median_days": 1.0,
            "seen": 0.5,
            "later": None,
            "differs": False,
        },
        {
            "kind": "task",
            "part": "arm",
            "arm_id": "slow",
            "credits": 40.0,
            "median_days": 2.0,
            "seen": 0.25,
            "later": 4.5,
            "differs": True,
        },
    ]


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
    sample = Matured("shop", date(2026, 11, 16), moments[0])
    assert sample.ages(rows).tolist() == [0, 0, 1, 30]
    assert sample.ages(rows.slice(0, 0)).tolist() == []
