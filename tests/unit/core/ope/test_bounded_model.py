"""One odd row does not lead a reward model astray, nor doubly robust with it."""

import numpy as np
import pytest

from nightslate.core.ope.bounded_model import Bounded, Winsorised, inner_range
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.policies import Arms, LinearThompson

USERS, ARMS = 300, 3


def log():
    """Rewards of 0 and 1, and how recent a user is, from 0 to 9; but one user's is 10,000."""
    draw = np.random.default_rng(7)
    recency = draw.integers(0, 10, USERS).astype(float)
    arms, rewards = draw.integers(0, ARMS, USERS), (draw.random(USERS) < 0.25 + 0.02 * recency).astype(float)
    recency[17] = 10_000.0
    return np.column_stack([np.ones(USERS), recency]), arms, rewards


def cross_fitted(contexts, arms, rewards, bounded):
    """The value of the uniform policy by DR, from two halves of the users that are each other's teachers."""
    learner = LinearThompson(ridge=100.0, draws=1)
    counts = dict(zip(*map(np.ndarray.tolist, np.unique(contexts[:, 1], return_counts=True)), strict=True))
    seen = Winsorised.of(2, {1: inner_range(counts)})
    expected = np.empty((USERS, ARMS))
    for half in (0, 1):
        others, mine = (np.flatnonzero(np.arange(USERS) % 2 == which) for which in (1 - half, half))
        view = seen(contexts) if bounded else contexts
        state = learner.initial(ARMS, 2).update(view[others], arms[others], rewards[others])
        model = learner.fit(state, Arms.plain(np.arange(ARMS, dtype=np.uint64)), seed=0)
        if bounded:
            model = Bounded(model, seen, 0.0, 1.0)
        expected[mine] = model.expected_rewards(contexts[mine])
    sample = Sample(
        reward=rewards,
        propensity=np.full(USERS, 1 / ARMS),
        target_propensity=np.full(USERS, 1 / ARMS),
        q_logged=expected[np.arange(USERS), arms],
        v_target=expected.mean(axis=1),
    )
    state = EvaluationState.initial(("uniform",), ("dr",)).update([sample], np.arange(USERS, dtype=np.uint64))
    return results(state, interval=Delta())[0]


def test_the_value_of_the_logging_policy_is_what_was_logged_although_one_user_is_odd():
    contexts, arms, rewards = log()
    found = cross_fitted(contexts, arms, rewards, bounded=True)
    assert found.value == pytest.approx(rewards.mean(), abs=0.02)
    assert found.stderr < 0.03
    without = cross_fitted(contexts, arms, rewards, bounded=False)
    assert abs(without.value - rewards.mean()) > 0.1, "an odd row that does no harm shows nothing"


def test_numbers_are_cut_and_scaled_and_the_rest_is_as_it_was():
    seen = Winsorised.of(3, {1: (0.0, 9.0), 2: (4.0, 4.0)})
    contexts = np.array([[1.0, 0.0, 4.0], [1.0, 9.0, 7.0], [1.0, 10_000.0, -2.0], [1.0, -5.0, 4.0]])
    np.testing.assert_array_equal(seen(contexts), [[1, -1, 0], [1, 1, 0], [1, 1, 0], [1, -1, 0]])


def test_the_inner_range_is_of_counts_however_they_came():
    assert inner_range({0.0: 1, 1.0: 98, 10_000.0: 1}) == (1.0, 1.0)
    assert inner_range({0.0: 50, 9.0: 50}) == (0.0, 9.0)
    assert inner_range({0.0: 299, 10_000.0: 1}) == (0.0, 0.0)
    assert inner_range({-3.0: 2, 1.0: 96, 8.0: 2}) == (-3.0, 8.0)
    assert inner_range({}) == (0.0, 0.0)


class Wild:
    def expected_rewards(self, contexts):
        return 100.0 * contexts


def test_nothing_is_expected_that_cannot_be():
    model = Bounded(Wild(), Winsorised.of(2, {}), -0.5, 2.0)
    np.testing.assert_array_equal(model.expected_rewards(np.array([[0.01, -3.0]])), [[1.0, -0.5]])
