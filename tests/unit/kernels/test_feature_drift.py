"""Features of tonight beside those of the days before."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.feature_drift import BEFORE, NOW, counted, drift
from nightslate.kernels.value_counts import ValueCounts
from nightslate.records.instants import INSTANT

END = datetime(2026, 3, 2, tzinfo=UTC)


def found(values, moments):
    rows = pa.table({"as_of": pa.array(moments, INSTANT), "x": values})
    sums = {BEFORE: ValueCounts.initial(["x"]), NOW: ValueCounts.initial(["x"])}
    for key, counts in counted(rows, ValueCounts.initial(["x"]), END):
        sums[key] = sums[key].merge(counts)
    return drift("x", sums[BEFORE].by_column["x"], sums[NOW].by_column["x"], not isinstance(values[0], str))


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
