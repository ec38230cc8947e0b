"""The population stability index, against its definition and what it is known for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.features import population_stability, tenths

counts = st.lists(st.integers(0, 1000), min_size=2, max_size=8)


def test_by_hand():
    """Siddiqi's formula: the sum of (q - p) ln(q / p)."""
    p, q = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    by_hand = float(((q - p) * np.log(q / p)).sum())
    assert population_stability((p * 10**7).astype(int), (q * 10**7).astype(int)) == pytest.approx(
        by_hand, abs=1e-5
    )


@given(counts, st.integers(1, 50))
def test_the_same_population_has_not_moved_however_large(before, times):
    found = population_stability(np.array(before), times * np.array(before))
    assert 0 <= found < 0.6 * len(before)
    assert population_stability(np.array(before), np.array(before)) == 0


@given(
    counts.flatmap(
        lambda b: st.tuples(st.just(b), st.lists(st.integers(0, 99), min_size=len(b), max_size=len(b)))
    )
)
def test_it_is_symmetric_and_not_negative(both):
    before, now = map(np.array, both)
    assert population_stability(before, now) == pytest.approx(population_stability(now, before))
    assert population_stability(before, now) >= 0


def test_tenths_of_many_values_hold_a_tenth_each():
    ends = tenths(np.arange(1000.0), np.ones(1000, dtype=int))
    assert ends.tolist() == [99.0, 199.0, 299.0, 399.0, 499.0, 599.0, 699.0, 799.0, 899.0]


def test_a_frequent_value_is_one_class():
    assert tenths(np.array([0.0, 1.0, 2.0]), np.array([80, 15, 5])).tolist() == [0.0, 1.0]
