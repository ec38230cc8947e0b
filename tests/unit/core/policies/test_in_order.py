"""A ranking that is not drawn, as weights: in each slot the arm whose turn it is, and no other."""

import numpy as np
import pytest

from nightslate.core.ope.target import slot_by_slot
from nightslate.core.policies.in_order import MOST_SLOTS, in_order_of
from nightslate.core.policies.plackett_luce import marginal_propensities
from nightslate.programs.controls import ORDERED_SLOTS

ROWS, ARMS = 200, 9
DICE = np.random.default_rng(3)
SCORES = np.round(DICE.normal(size=(ROWS, ARMS)), 1)  # with ties
ELIGIBLE = DICE.random((ROWS, ARMS)) < 0.7
ELIGIBLE[:, :3] = True


def ranked(row):
    """Eligible arms by score, of equals the first, in plain Python."""
    return sorted(np.flatnonzero(ELIGIBLE[row]).tolist(), key=lambda arm: (-SCORES[row, arm], arm))


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_each_slot_has_the_arm_whose_turn_it_is(slot):
    found = marginal_propensities(in_order_of(SCORES, ELIGIBLE, 3), slot, ELIGIBLE)
    expected = np.zeros((ROWS, ARMS))
    expected[np.arange(ROWS), [ranked(row)[slot - 1] for row in range(ROWS)]] = 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_after_whatever_was_shown_the_best_of_the_others_comes():
    shown = np.array([DICE.permutation(np.flatnonzero(row))[:3] for row in ELIGIBLE])
    weights, there = in_order_of(SCORES, ELIGIBLE, 3), np.ones(shown.shape, dtype=np.bool_)
    supported = np.ones(ARMS, dtype=np.bool_)
    found = slot_by_slot(weights, shown, there, SCORES, supported, ELIGIBLE).propensity
    expected = [
        [
            float(arm == next(best for best in ranked(row) if best not in shown[row, :slot]))
            for slot, arm in enumerate(shown[row])
        ]
        for row in range(ROWS)
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_longest_ranking_has_weights_that_are_numbers():
    weights = in_order_of(np.arange(50.0)[None], np.ones((1, 50), dtype=np.bool_), MOST_SLOTS)
    assert weights.min() > 0
    assert MOST_SLOTS == ORDERED_SLOTS
