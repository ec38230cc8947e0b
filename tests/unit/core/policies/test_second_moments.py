from fractions import Fraction
from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.core.policies.second_moments import second_moments

positive = st.one_of(st.floats(1e-9, 1.0), st.sampled_from([1e-3 / 80, 0.5, 1.0]))


def enumerated(row, slots):
    """E[1_s 1_s'] over all slates s, by the definition."""
    exact, arms = [Fraction(weight) for weight in row], len(row)
    moments = np.full((slots * arms, slots * arms), Fraction(0), dtype=object)
    for slate in permutations(range(arms), slots):
        left = [sum(exact) - sum(exact[arm] for arm in slate[:slot]) for slot in range(slots)]
        probability = prod(exact[arm] / of for arm, of in zip(slate, left, strict=True))
        cells = [slot * arms + arm for slot, arm in enumerate(slate)]
        moments[np.ix_(cells, cells)] += probability
    return moments.astype(np.float64)


@settings(max_examples=20, deadline=None)
@given(st.lists(positive, min_size=3, max_size=5), st.integers(1, 3))
def test_second_moments_agree_with_enumeration_to_every_digit(row, slots):
    np.testing.assert_allclose(second_moments(np.array([row]), slots)[0], enumerated(row, slots), rtol=1e-12)


@pytest.mark.parametrize("row", [[1e-5, 1e-5, 1.0, 1e-5], [1.0, 1e-6, 1e-12], [0.999, 1e-6, 2e-5, 4e-4]])
def test_a_dominating_arm_costs_no_digits(row):
    np.testing.assert_allclose(second_moments(np.array([row]), 3)[0], enumerated(row, 3), rtol=1e-12)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_blocks_sum_to_marginals(slots, monkeypatch):
    weights = np.random.default_rng(1).gamma(0.3, size=(40, 6)) + 1e-6
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 9000)
    moments = second_moments(weights, slots).reshape(40, slots, 6, slots, 6)
    for j in range(slots):
        marginals = marginal_propensities(weights, j + 1)
        for k in range(slots):
            np.testing.assert_allclose(moments[:, j, :, k, :].sum(axis=2), marginals, rtol=1e-12)


def test_arms_that_are_not_eligible_are_as_if_they_were_not_there():
    weights = np.random.default_rng(2).gamma(0.5, size=(10, 5)) + 1e-4
    eligible = np.array([True, False, True, True, True])
    moments = second_moments(weights, 3, np.tile(eligible, (10, 1)))
    there = np.flatnonzero(np.tile(eligible, 3))
    np.testing.assert_allclose(
        moments[:, there[:, None], there], second_moments(weights[:, eligible], 3), rtol=1e-12
    )
    gone = np.flatnonzero(~np.tile(eligible, 3))
    assert not moments[:, gone].any()
    assert not moments[:, :, gone].any()


@pytest.mark.parametrize(
    ("arms", "slots", "message"),
    [
        (5, 4, "exact for 1 to 3 slots, got 4"),
        (5, 0, "exact for 1 to 3"),
        (2, 3, "fewer than 3 eligible arms"),
    ],
)
def test_what_has_no_answer_is_refused(arms, slots, message):
    with pytest.raises(InvalidInputError, match=message):
        second_moments(np.ones((2, arms)), slots)
