import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.popularity import Popularity, PopularityPolicy

ANYONE = np.zeros((1, 0))


def test_means_are_shrunk_to_the_pooled_mean():
    arms, rewards = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 0.0, 0.0])
    learner = Popularity(prior_strength=2)
    policy = learner.fit(
        learner.initial(3, 0).update(np.zeros((4, 0)), arms, rewards), Arms.plain([1, 2, 3]), 0
    )
    np.testing.assert_allclose(policy.expected, [3 / 5, 1 / 3, 1 / 2])
    np.testing.assert_allclose(policy.weights(ANYONE)[0], policy.expected / policy.expected.sum())
    np.testing.assert_array_equal(policy.expected_rewards(ANYONE)[0], policy.expected)


def test_negative_expectations_are_taken_above_the_lowest():
    policy = PopularityPolicy(np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_allclose(policy.weights(ANYONE)[0], [0, 1 / 4, 3 / 4])
    np.testing.assert_allclose(PopularityPolicy(np.array([-1.0, -1.0])).weights(ANYONE)[0], 0.5)


@pytest.mark.parametrize("strength", [0, -1, float("nan"), float("inf")])
def test_the_prior_must_have_some_strength(strength):
    with pytest.raises(InvalidInputError, match="prior_strength"):
        Popularity(prior_strength=strength)
