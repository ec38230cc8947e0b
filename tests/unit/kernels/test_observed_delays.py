"""Delays that the credits of all users show, and what young impressions then stand for."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core import npz
from nightslate.core.maturity import Credited, DelaySums
from nightslate.kernels.maturity import Kinds, known_maturity
from nightslate.kernels.rewards import Matured

DS = date(2026, 11, 16)
END = datetime(2026, 11, 17, tzinfo=UTC)
HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)
WINDOWS = {"click": 6 * HOUR, "never": HOUR, "task": 24 * HOUR}
MIN_SEEN = 0.3
PER_IMPRESSION = 1.5
IMPRESSIONS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("arm_id", pa.string()),
    ]
)
ARMS = ("a", "b")
CREDITS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("credit", pa.float64()),
        ("kind", pa.string()),
        ("lag_seconds", pa.float64()),
    ]
)


def world(n=300):
    """Impressions of two days, and credits as they are known at the end of the second."""
    dice = np.random.default_rng(1)
    impressions, known = [], []
    for number in range(n):
        age = timedelta(microseconds=int(dice.integers(0, 48 * 3600 * 10**6)))
        user = hashlib.sha256(f"user {number % 90}".encode()).hexdigest()[:32]
        name = f"i{number}"
        arm = ("a", "b", "gone")[number % 3]
        impressions.append({"impression_id": name, "user_id": user, "occurred_at": END - age, "arm_id": arm})
        for kind, worth in (("click", 0.2), ("task", -1.0)):
            for _ in range(dice.poisson(PER_IMPRESSION)):
                lag = timedelta(microseconds=int(dice.beta(1, 2) * WINDOWS[kind].total_seconds() * 1e6))
                if lag <= age:
                    known.append((user, name, worth, kind, lag / timedelta(seconds=1)))
    return impressions, known


def rows_of(impressions, known):
    """What the tables `impressions` and `credits` have of them."""
    earned = [dict(zip(CREDITS.names, row[1:], strict=True)) for row in known]
    return {
        "impressions": pa.Table.from_pylist(impressions, IMPRESSIONS),
        "credits": pa.Table.from_pylist(earned, CREDITS),
    }


def matured(impressions, known, buckets):
    """As a step has it: what each bucket says of delays travels, and what all say is known of everyone."""
    kinds = Kinds(WINDOWS, END, ARMS)
    sums = kinds.no_delays()
    for bucket in range(buckets):
        shown = [row for row in impressions if int(row["user_id"][:8], 16) % buckets == bucket]
        earned = [row for row in known if int(row[0][:8], 16) % buckets == bucket]
        observed = kinds.observed(rows_of(shown, earned))
        sums = sums.merge(DelaySums.from_arrays(npz.unpack(npz.pack(observed.arrays()))))
    maturity = known_maturity(sums, kinds, MIN_SEEN)
    return Matured("shop", DS, maturity.counts_until, maturity)


@pytest.mark.parametrize("buckets", [1, 3, 200])
def test_young_impressions_count_with_the_delays_of_all_buckets(buckets):
    impressions, known = world()
    weighted = matured(impressions, known, buckets)
    shown_at = {row["impression_id"]: row["occurred_at"] for row in impressions}
    arm_of = {row["impression_id"]: ("a", "b", "gone").index(row["arm_id"]) for row in impressions}
    windows = np.array([window // MICROSECOND for window in WINDOWS.values()])
    credited = Credited(
        kinds=np.array([list(WINDOWS).index(row[3]) for row in known]),
        arms=np.array([arm_of[row[1]] for row in known]),
        amounts=np.array([row[2] for row in known]),
        lags=np.array([round(row[4] * 1e6) for row in known]),
        ages=np.array([(END - shown_at[row[1]]) // MICROSECOND for row in known]),
    )
    users = np.unique([row[0] for row in known], return_inverse=True)[1]
    sums = DelaySums.zero(len(WINDOWS), 3).update(windows, credited, users)
    expected = sums.delays(windows)
    np.testing.assert_array_equal(weighted.maturity.delays.curve, expected.curve)
    assert len(expected.seen) == 3 + 2 * 3
    np.testing.assert_allclose(weighted.maturity.delays.seen, expected.seen, rtol=1e-9)
    assert weighted.maturity.median_delays().keys() == {"click", "task"}
    assert [(row["kind"], row["part"], row["arm_id"]) for row in weighted.maturity.rows()] == [
        ("click", "all", None),
        ("click", "arm", "a"),
        ("click", "arm", "b"),
        ("never", "all", None),
        ("task", "all", None),
        ("task", "arm", "a"),
        ("task", "arm", "b"),
    ]

    assert weighted.counts_until == END - expected.least_age(MIN_SEEN) * MICROSECOND
    assert END - 24 * HOUR < weighted.counts_until < END - 3 * HOUR
    rows = weighted.rows(rows_of(impressions, known))
    assert rows.num_rows == sum(at <= weighted.counts_until for at in shown_at.values())
    stderr = rows["reward"].to_numpy().std() / rows.num_rows**0.5
    assert rows["reward"].to_numpy().mean() == pytest.approx(PER_IMPRESSION * (0.2 - 1.0), abs=3 * stderr)
