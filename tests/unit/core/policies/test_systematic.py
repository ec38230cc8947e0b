"""A comb over probabilities: as many as expected, each as likely as it says, in any parts."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.policies.systematic import selected, total_length

WRAPS = 2**64
probability = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, 1e-9, 1 - 2**-53]))


@settings(max_examples=200, deadline=None)
@given(st.lists(probability, min_size=1, max_size=40), st.integers(0, WRAPS - 1))
def test_any_rows_in_sequence_have_as_many_as_they_expect_but_for_less_than_one(probabilities, begin):
    found = selected(np.array(probabilities), begin)
    line = [Fraction(int(p * 2**53), 2**53) for p in probabilities]
    for first in range(len(line)):
        for last in range(first, len(line)):
            rows = slice(first, last + 1)
            assert abs(int(found[rows].sum()) - sum(line[rows])) < 1


@settings(max_examples=100, deadline=None)
@given(st.lists(probability, max_size=40), st.integers(0, WRAPS - 1), st.integers(0, 40))
def test_parts_that_begin_where_the_one_before_ends_select_the_same(probabilities, begin, cut):
    whole = np.array(probabilities, dtype=np.float64)
    first, second = whole[:cut], whole[cut:]
    parts = selected(first, begin), selected(second, (begin + total_length(first)) % WRAPS)
    np.testing.assert_array_equal(np.concatenate(parts), selected(whole, begin))


def test_each_row_is_selected_with_its_probability_whatever_lies_before_it():
    """Exactly: over all shifts of the comb that differ, of probabilities with few digits."""
    sixteenths = np.array([3, 16, 5, 0, 11, 1, 15, 2])
    shifts = [selected(sixteenths / 16, shift * (WRAPS // 16)) for shift in range(16)]
    np.testing.assert_array_equal(np.sum(shifts, axis=0), sixteenths)


def test_millions_of_small_probabilities_keep_their_sum():
    rng = np.random.default_rng(1)
    probabilities = rng.uniform(0, 2e-5, 2_000_000)
    found = selected(probabilities, 12345)
    assert abs(found.sum() - probabilities.sum()) < 1


@pytest.mark.parametrize("begin", [0, WRAPS - 1])
def test_what_is_sure_is_selected_and_what_is_impossible_is_not(begin):
    assert selected(np.ones(5), begin).all()
    assert not selected(np.zeros(5), begin).any()
    assert total_length(np.ones(5)) == total_length(np.zeros(5)) == 0
