import itertools
import math

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence import Stakes

ONE = np.ones(1)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"low": 0.0, "high": 0.0}, "low < high, got 0.0 to 0.0"),
        ({"low": 1.0, "high": 0.0}, "low < high, got 1.0 to 0.0"),
        ({"low": 0.0, "high": float("inf")}, "finite and low < high, got 0.0 to inf"),
        ({"low": float("nan"), "high": 1.0}, "finite and low < high, got nan to 1.0"),
        ({"low": 0.0, "high": 2.0, "margin": 2.0}, "smaller than the range of rewards, 0.0 to 2.0, got 2.0"),
        ({"low": 0.0, "high": 2.0, "margin": -2.0}, "smaller than the range"),
        ({"low": 0.0, "high": 2.0, "margin": float("nan")}, "got nan"),
        ({"low": 0.0, "high": 1.0, "max_units": 0}, "got max_units 0"),
        ({"low": 0.0, "high": 1.0, "champion_weight_at_most": 0.5}, "weight of the champion .* got 0.5"),
        ({"low": 0.0, "high": 1.0, "challenger_weight_at_most": math.inf}, "of the challenger .* got inf"),
    ],
)
def test_stakes_that_make_no_sense_are_refused(given, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        Stakes(**given)


def test_increments_by_hand():
    stakes = Stakes(low=-1.0, high=3.0, margin=0.2, max_units=3)
    assert stakes.span == 4.0
    assert stakes.share == pytest.approx(0.05)
    assert stakes.scale == pytest.approx(3.15)
    # y is 0, .25, 1, and 1 of a reward of 9, which is clipped
    found = stakes.increments(
        np.array([2.0, 2.0, 0.5, 4.0]), np.array([3.0, 0.5, 2.0, 0.0]), np.array([-1.0, 0.0, 3.0, 9.0])
    )
    assert found == pytest.approx(
        [3.0 - 1 - 0.05, 2 * 0.25 + 0.5 * 0.75 - 1 - 0.05, 0.5 - 1 - 0.05, 4.0 - 1 - 0.05]
    )


def test_where_the_champion_logged_only_rewards_and_the_challengers_weight_matter():
    stakes = Stakes(low=0.0, high=1.0)
    weight, reward = np.array([0.1, 7.0, 0.0]), np.array([1.0, 0.0, 0.5])
    assert stakes.increments(weight, np.ones(3), reward) == pytest.approx([-0.9, 0.0, -0.5])


def test_a_policy_against_itself_wins_and_loses_nothing():
    reward, weight = np.array([0.0, 0.3, 1.0]), np.array([0.5, 1.0, 2.0])
    assert Stakes(0.0, 1.0).increments(np.ones(3), np.ones(3), reward) == pytest.approx(np.zeros(3))
    bounded = Stakes(0.0, 1.0, champion_weight_at_most=2.0)
    assert (bounded.increments(weight, weight, reward) == 0).all()


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.5])
def test_no_weight_loses_more_than_one_and_the_margin(share):
    stakes = Stakes(low=0.0, high=1.0, margin=share)
    weights = np.array([0.0, 1e-9, 1.0, 1e12])
    for champion in weights:
        for reward in (-5.0, 0.0, 1e-9, 0.5, 1.0, 5.0):
            won = stakes.increments(weights, champion * np.ones(4), reward * np.ones(4))
            assert won.min() >= -(1 + share)


def test_weights_of_a_champion_that_are_bounded_need_no_expectation_of_1():
    stakes = Stakes(low=0.0, high=1.0, margin=0.1, champion_weight_at_most=4.0)
    assert stakes.scale == pytest.approx(4.1)
    won = stakes.increments(np.array([0.0, 3.0, 2.0]), np.array([4.0, 0.5, 2.0]), np.array([1.0, 0.5, 1.0]))
    assert won == pytest.approx([-4 - 0.1, 2.5 * 0.5 - 0.1, -0.1])
    # no reward, no noise
    assert stakes.increments(ONE, 3 * ONE, 0 * ONE) == pytest.approx([-0.1])


def test_losses_count_from_nothing_where_both_are_bounded():
    bounds = {"champion_weight_at_most": 2.0, "challenger_weight_at_most": 5.0}
    stakes = Stakes(low=-1.0, high=3.0, max_units=2, **bounds)
    assert stakes.origin == 0.25
    assert stakes.scale == pytest.approx(2 * (2 * 0.75 + 5 * 0.25))
    won = stakes.increments(np.array([5.0, 0.0, 5.0]), np.array([0.0, 2.0, 2.0]), np.array([-1.0, 3.0, 0.0]))
    assert won == pytest.approx([-5 / 4, -2 * 3 / 4, 0.0])
    assert Stakes(low=1.0, high=2.0, **bounds).origin == 0.0
    assert Stakes(low=-2.0, high=-1.0, **bounds).origin == 1.0


def test_where_only_the_challenger_is_bounded_losses_still_count_from_nothing():
    stakes = Stakes(low=-1.0, high=3.0, challenger_weight_at_most=5.0)
    assert stakes.scale == pytest.approx(5 * 0.25 + 0.75)
    won = stakes.increments(np.array([5.0]), np.array([9.0]), np.array([3.0]))
    assert won == pytest.approx([(5 - 9) * 0.75 + (9 - 1) * 0.75])


@pytest.mark.parametrize("bounds", itertools.product((None, 1.0, 7.0), repeat=2))
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 3.0), (-2.0, -1.0), (1.0, 2.0)])
def test_no_unit_loses_more_than_the_scale(bounds, low, high):
    champion_bound, challenger_bound = bounds
    stakes = Stakes(low, high, 0.1, 1, champion_bound, challenger_bound)
    pairs = itertools.product((0.0, 1.0, challenger_bound or 1e300), (0.0, 1.0, champion_bound or 1e300))
    for (challenger, champion), reward in itertools.product(pairs, np.linspace(low, high, 9)):
        won = stakes.increments(challenger * ONE, champion * ONE, reward * ONE)
        assert won[0] >= -stakes.scale * (1 + 1e-12)


def test_a_weight_over_its_bound_is_refused():
    stakes = Stakes(low=0.0, high=1.0, champion_weight_at_most=4.0, challenger_weight_at_most=3.0)
    stakes.increments(3 * ONE, 4.000001 * ONE, ONE)
    with pytest.raises(InvalidInputError, match=r"champion is 4.1, and 4 was the most"):
        stakes.increments(ONE, 4.1 * ONE, ONE)
    with pytest.raises(InvalidInputError, match=r"challenger is 3.5, and 3 was the most"):
        stakes.increments(3.5 * ONE, None, ONE)


def test_without_a_champion_the_increment_is_the_weighted_reward():
    stakes = Stakes(low=0.0, high=2.0, margin=0.5)
    won = stakes.increments(np.array([3.0, 3.0]), None, np.array([1.0, 0.0]))
    assert won == pytest.approx([1.5 - 0.25, -0.25])
    stakes = Stakes(low=-1.0, high=1.0, challenger_weight_at_most=3.0)
    won = stakes.increments(np.array([3.0, 3.0]), None, np.array([-1.0, 0.0]))
    assert won == pytest.approx([-1.5 + 0.5, 0.5])
