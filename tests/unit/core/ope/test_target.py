"""What a target would have done, where showing an arm costs something whether or not it is looked at."""

import numpy as np
import pytest

from nightslate.core.ope.target import NOT_THERE, in_slots, slot_by_slot
from nightslate.core.policies.diversity import DiversityPenalty

ARMS, ROWS, SLOTS = 4, 30, 3
DICE = np.random.default_rng(8)
WEIGHTS = DICE.dirichlet(np.ones(ARMS), ROWS)
EARNED = DICE.normal(size=(ROWS, ARMS))
COSTS = np.array([0.5, 0.0, 2.0, 0.125])
ALL = np.ones((ROWS, ARMS), dtype=np.bool_)
SUPPORTED = np.ones(ARMS, dtype=np.bool_)
SHOWN = np.stack([DICE.permutation(ARMS)[:SLOTS] for _ in range(ROWS)])


def impressions(expected, examined=1.0, costs=None):
    shown = np.where(np.arange(ROWS) % 7 == 0, NOT_THERE, SHOWN[:, 0])
    return shown, in_slots(
        WEIGHTS, shown, 1 + np.arange(ROWS) % SLOTS, expected, SUPPORTED, ALL, examined, costs
    )


def decisions(expected, examined=1.0, costs=None):
    shown, has_slot = SHOWN.copy(), np.ones(SHOWN.shape, dtype=np.bool_)
    shown[::5, 2], has_slot[::5, 2] = NOT_THERE, False
    return shown, slot_by_slot(WEIGHTS, shown, has_slot, expected, SUPPORTED, ALL, examined, costs)


def of_shown(costs, shown):
    return np.where(shown == NOT_THERE, 0.0, costs[shown])


@pytest.mark.parametrize("made", [impressions, decisions])
def test_of_arms_that_are_looked_at_costs_are_a_part_of_what_is_expected(made):
    (_, apart), (_, within) = made(EARNED, costs=COSTS), made(EARNED - COSTS)
    for name in ("propensity", "v_target", "q_logged", "unsupported_mass"):
        np.testing.assert_allclose(getattr(apart, name), getattr(within, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("made", [impressions, decisions])
def test_what_is_not_looked_at_earns_nothing_and_costs_as_much(made):
    shown, unseen = made(EARNED, 0.0, COSTS)
    np.testing.assert_array_equal(unseen.q_logged, -of_shown(COSTS, shown))
    _, spent = made(np.broadcast_to(COSTS, EARNED.shape))
    np.testing.assert_allclose(unseen.v_target, -spent.v_target, rtol=0, atol=1e-12)
    (_, half), (_, earned) = made(EARNED, 0.5, COSTS), made(EARNED)
    np.testing.assert_allclose(half.v_target, earned.v_target / 2 + unseen.v_target, rtol=0, atol=1e-12)


def test_a_penalty_makes_arms_of_the_group_before_less_likely():
    diversity = DiversityPenalty(0.25, np.array([0, 0, 1, -1]))
    there = np.ones(SHOWN.shape, dtype=np.bool_)
    found = slot_by_slot(WEIGHTS, SHOWN, there, EARNED, SUPPORTED, ALL, diversity=diversity)
    drawn = diversity.conditional_propensities(WEIGHTS, SHOWN)
    np.testing.assert_allclose(found.propensity, drawn, rtol=1e-12)
    plain = slot_by_slot(WEIGHTS, SHOWN, there, EARNED, SUPPORTED, ALL)
    np.testing.assert_array_equal(found.v_target[:, 0], plain.v_target[:, 0])
    assert (found.v_target[:, 1] != plain.v_target[:, 1]).any()
