"""Features of tonight beside those of the days before."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.features import population_stability
from nightslate.kernels.feature_drift import BEFORE, NOW, counted, drift, keyed_drift, nothing_counted
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Feature
from nightslate.records.instants import INSTANT

END = datetime(2026, 3, 2, tzinfo=UTC)


def found(values, moments):
    feature = Feature(name="x", type="category" if isinstance(values[0], str) else "number")
    rows = pa.table({"as_of": pa.array(moments, INSTANT), "x": values})
    nothing = nothing_counted([feature])
    sums = {BEFORE: nothing, NOW: nothing}
    for key, counts in counted(rows, nothing, END):
        sums[key] = sums[key].merge(counts)
    return drift(sums[BEFORE], sums[NOW], feature)


def test_a_population_that_moved_is_told_from_one_that_did_not():
    draw = np.random.default_rng(1)
    before, same, moved = draw.normal(5, 1, 5000), draw.normal(5, 1, 1000), draw.normal(6, 1, 1000)
    moments = [END - timedelta(days=1)] * 5000 + [END] * 1000
    stable = found([*before, *same], moments)
    assert stable["psi"] < 0.03
    assert (stable["users"], stable["users_before"]) == (1000, 5000)
    assert stable["mean"] == pytest.approx(same.mean(), rel=0.005)  # values are told to 8 binary digits
    assert found([*before, *moved], moments)["psi"] > 0.5


def test_categories_are_compared_by_value_and_a_new_one_shows():
    moments = [END - timedelta(days=1)] * 100 + [END] * 100
    row = found(["a"] * 50 + ["b"] * 50 + ["a"] * 50 + ["c"] * 50, moments)
    assert row["psi"] > 1
    assert row["mean"] is None


def test_moments_within_the_day_do_not_count():
    moments = [END - timedelta(days=1), END - timedelta(hours=3), END]
    row = found([1.0, 100.0, 1.0], moments)
    assert (row["users"], row["users_before"], row["mean_before"]) == (1, 1, 1.0)


def test_without_days_before_there_is_no_index():
    assert found([1.0], [END])["psi"] is None


SEEN = KeyedFeature(name="seen", by="arm_id", default=0.0)


def found_by_arm(maps, moments):
    rows = pa.table(
        {
            "as_of": pa.array(moments, INSTANT),
            "seen": pa.array(maps, pa.map_(pa.string(), pa.float64())),
        }
    )
    nothing = nothing_counted([], [SEEN])
    sums = {BEFORE: nothing, NOW: nothing}
    for part in (rows.slice(0, 3), rows.slice(3)):  # as if of two units of work
        for key, counts in counted(part, nothing, END):
            sums[key] = sums[key].merge(counts)
    return keyed_drift(sums[BEFORE], sums[NOW], SEEN)


def test_of_a_feature_by_arm_each_pair_of_a_user_and_an_arm_counts_with_what_maps_leave_out():
    before, now = [{"a": 1.0}, None, {"a": 2.0, "b": 1.0}, {}], [{"c": 1.0}, {"a": 1.0}]
    maps = [None if each is None else [*each.items()] for each in (*before, *now)]
    row = found_by_arm(maps, [END - timedelta(days=1)] * 4 + [END] * 2)
    pairs = [[(each or {}).get(arm, 0.0) for each in side for arm in "abc"] for side in (before, now)]
    counts = [np.array([side.count(number) for number in (0.0, 1.0, 2.0)]) for side in pairs]
    assert row["psi"] == pytest.approx(population_stability(*counts))
    assert (row["users"], row["users_before"], row["key"]) == (2, 4, "user_id, arm_id")
    assert (row["mean"], row["mean_before"]) == (np.mean(pairs[1]), np.mean(pairs[0]))


def test_a_feature_by_arm_that_nobody_has_anything_of_has_no_index():
    row = found_by_arm([None, [], None], [END - timedelta(days=1), END, END])
    assert (row["psi"], row["mean"], row["users"]) == (None, None, 2)
