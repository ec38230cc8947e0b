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
    stakes = Stakes(low=0.0, high=1.0)
    assert (stakes.increments(np.ones(3), np.ones(3), np.array([0.0, 0.3, 1.0])) == 0).all()


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.5])
def test_no_weight_loses_more_than_one_and_the_margin(share):
    stakes = Stakes(low=0.0, high=1.0, margin=share)
    weights = np.array([0.0, 1e-9, 1.0, 1e12])
    for champion in weights:
        for reward in (-5.0, 0.0, 1e-9, 0.5, 1.0, 5.0):
            won = stakes.increments(weights, champion * np.ones(4), reward * np.ones(4))
            assert won.min() >= -(1 + share)


def test_without_a_champion_the_increment_is_the_weighted_reward():
    stakes = Stakes(low=0.0, high=2.0, margin=0.5)
    won = stakes.increments(np.array([3.0, 3.0]), None, np.array([1.0, 0.0]))
    assert won == pytest.approx([1.5 - 0.25, -0.25])
