from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.pseudo_inverse import (
    pseudo_inverse_weights,
    weights_of_independent_slots,
    weights_of_uniform_rankings,
)
from nightslate.core.policies.plackett_luce import joint_propensity, marginal_propensities
from nightslate.core.policies.second_moments import second_moments

positive = arrays(np.float64, (1, 5), elements=st.floats(0.01, 1))


def exposure(weights, slots):
    """(1, slots, A) the probability of each arm in each slot."""
    return np.stack([marginal_propensities(weights, slot + 1) for slot in range(slots)], axis=1)


def all_rankings(arms, slots):
    return np.array(list(permutations(range(arms), slots)))


def repeated(array, rows):
    return np.repeat(array, rows, axis=0)


@settings(max_examples=30, deadline=None)
@given(positive, positive, st.integers(1, 3))
def test_weights_turn_logged_exposure_into_the_targets(logging, target, slots):
    """E[w s] is q, and E[w] is 1: what makes the estimator exact for rewards that add up over slots."""
    shown = all_rankings(5, slots)
    rows, wanted = len(shown), exposure(target, slots)
    probability = joint_propensity(repeated(logging, rows), shown)
    moments = repeated(second_moments(logging, slots), rows)
    weight = pseudo_inverse_weights(moments, repeated(wanted, rows), shown)
    marked = (shown[:, :, None] == np.arange(5)).astype(float)
    assert probability @ weight == pytest.approx(1, abs=1e-8)
    np.testing.assert_allclose(np.tensordot(probability * weight, marked, 1), wanted[0], atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(positive, st.integers(1, 3))
def test_uniform_rankings_have_a_closed_form(target, slots):
    shown = all_rankings(5, slots)
    rows, wanted = len(shown), exposure(target, slots)
    general = pseudo_inverse_weights(
        repeated(second_moments(np.ones((1, 5)), slots), rows), repeated(wanted, rows), shown
    )
    closed = weights_of_uniform_rankings(repeated(wanted, rows), shown)
    np.testing.assert_allclose(closed, general, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (2, 2, 3), elements=st.floats(0.01, 1)))
def test_independent_slots_have_a_closed_form(weights):
    """Two slots that are filled independently, so that an arm may stand in both."""
    logging, target = weights / weights.sum(axis=2, keepdims=True)
    shown = np.array(list(product(range(3), repeat=2)))
    marked = (shown[:, :, None] == np.arange(3)).astype(float).reshape(9, 6)
    slots = np.arange(2)
    probability = logging[slots, shown].prod(axis=1)
    moments = np.einsum("n,ni,nj->ij", probability, marked, marked)
    general = pseudo_inverse_weights(repeated(moments[None], 9), repeated(target[None], 9), shown)
    closed = weights_of_independent_slots(logging[slots, shown], target[slots, shown])
    np.testing.assert_allclose(general, closed, rtol=1e-7, atol=1e-7)


def test_one_slot_is_ips():
    logging, target = np.array([[0.5, 0.3, 0.2]]), np.array([[0.1, 0.1, 0.8]])
    shown = np.arange(3)[:, None]
    weight = pseudo_inverse_weights(
        repeated(second_moments(logging, 1), 3), repeated(target[:, None], 3), shown
    )
    np.testing.assert_allclose(weight, (target / logging)[0])
    np.testing.assert_allclose(weights_of_independent_slots(logging.T, target.T), (target / logging)[0])


def test_the_logging_policy_has_weights_of_1():
    logging = np.array([[0.4, 0.3, 0.2, 0.1]])
    shown = all_rankings(4, 3)
    rows, own = len(shown), exposure(logging, 3)
    weight = pseudo_inverse_weights(repeated(second_moments(logging, 3), rows), repeated(own, rows), shown)
    np.testing.assert_allclose(weight, 1)
    uniform = repeated(exposure(np.ones((1, 4)), 3), rows)
    np.testing.assert_allclose(weights_of_uniform_rankings(uniform, shown), 1)


def test_what_does_not_fit_is_refused():
    moments, exposed = np.zeros((2, 6, 6)), np.zeros((2, 2, 3))
    with pytest.raises(InvalidInputError, match=r"need second moments of shape \(2, 6, 6\), got \(2, 4, 4\)"):
        pseudo_inverse_weights(np.zeros((2, 4, 4)), exposed, np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(InvalidInputError, match="shown"):
        pseudo_inverse_weights(moments, exposed, np.full((2, 2), 3))
    with pytest.raises(InvalidInputError, match="shown"):
        weights_of_uniform_rankings(exposed, np.full((2, 2), 3))
    with pytest.raises(InvalidInputError, match="leave no arm out"):
        weights_of_uniform_rankings(np.zeros((2, 3, 3)), np.zeros((2, 3), dtype=np.int64))
