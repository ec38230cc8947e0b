"""What arms earn, which of them is the best, and why."""

from itertools import permutations

import numpy as np
import pytest
from scipy.special import ndtr

from nightslate.core.insights import (
    ArmResponses,
    BestShares,
    contributions,
    fitted_regression,
    posterior_policy,
)
from nightslate.core.policies import Arms, LinearUCB

ARMS = 3


def showings(n, seed):
    """Two kinds of users; the first arm is shown most to those who respond to anything."""
    rng = np.random.default_rng(seed)
    users = rng.integers(n // 3, size=n)
    keen = users % 2
    chances = np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])[keen]
    arms = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    rewards = (rng.random(n) < np.array([0.1, 0.2, 0.1])[arms] + 0.4 * keen).astype(float)
    keys = np.random.default_rng(0).integers(2**63, size=n, dtype=np.uint64)[users]
    return arms, rewards, 1 / chances[np.arange(n), arms], keys, np.ones(n, dtype=bool), arms == 0


def summed(rows, seed=5):
    return ArmResponses.zero(ARMS).update(*rows[:4], seed, *rows[4:])


def test_a_corrected_rate_is_what_an_arm_would_earn_if_everyone_were_shown_it():
    found = summed(showings(40_000, 1))
    for arm, truth, naive in ((0, 0.3, 0.411), (1, 0.4, 0.314), (2, 0.3, 0.2)):
        corrected, as_it_was = found.corrected(arm, 0.99), found.naive(arm, 0.99)
        assert corrected.bounds.lower < truth < corrected.bounds.upper
        assert as_it_was.value == pytest.approx(naive, abs=0.02)
        assert not as_it_was.bounds.lower < truth < as_it_was.bounds.upper


def test_intervals_go_by_users():
    rows = showings(1200, 2)
    arms, rewards, weights, users = rows[:4]
    found = summed(rows).corrected(1, 0.95)
    weight = (arms == 1) * weights
    value = (weight * rewards).sum() / weight.sum()
    _, user = np.unique(users, return_inverse=True)
    influence = np.bincount(user, weights=weight * (rewards - value)) / weight.sum()
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.bounds.stderr == pytest.approx(np.sqrt((influence**2).sum()), rel=0.1)


def test_sums_do_not_depend_on_how_rows_are_split():
    rows = showings(900, 3)
    whole, parts = summed(rows), ArmResponses.zero(ARMS)
    for part in (slice(0, 100), slice(100, 101), slice(101, 900)):
        parts = parts.merge(summed(tuple(column[part] for column in rows)))
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(parts.arrays()[name], array, rtol=1e-12)


def test_exploration_is_of_showings_that_a_model_could_be_asked_about():
    arms = np.array([0, 0, 0, 1])
    judged, best = np.array([True, True, False, False]), np.array([True, False, False, False])
    found = summed(
        (arms, np.zeros(4), np.array([1.0, 2.0, 4.0, 0.0]), np.arange(4, dtype=np.uint64), judged, best)
    )
    assert [found.exploration(arm) for arm in range(ARMS)] == [0.5, None, None]
    assert found.corrected(2, 0.95) is None
    assert found.chosen.tolist() == [3, 0, 0]
    assert found.corrected(1, 0.95) is None
    assert found.naive(1, 0.95).value == 0.0
    assert found.naive(0, 0.95).bounds is None  # nothing varies


def test_the_probability_to_be_the_best_is_the_posterior_s():
    learner, rng = LinearUCB(noise_variance=1.0, pooling="shared"), np.random.default_rng(6)
    known = Arms(np.array([1, 2], dtype=np.uint64), np.array([[1.0, 0.0], [1.0, 1.0]]))
    arms = rng.integers(2, size=60)
    rewards = 0.2 * arms + rng.normal(size=60)
    found = fitted_regression(learner, learner.initial(2, 1).update(np.ones((60, 1)), arms, rewards), known)
    posterior = found.posterior
    of_second = ndtr(posterior.matrix[1, 0] / np.sqrt(np.square(posterior.shared[1, 0]).sum()))
    weights = posterior_policy(found, 9).weights(np.ones((4, 1)))
    assert weights[0, 1] == pytest.approx(of_second, abs=4 * np.sqrt(0.25 / 256))
    shares = BestShares.zero(3).update(np.array([2, 0]), weights).update(np.array([1]), np.ones((1, 1)))
    np.testing.assert_allclose(shares.probability, [4 * weights[0, 1], 1.0, 4 * weights[0, 0]])
    assert shares.reached.tolist() == [4, 1, 4]
    assert shares.users == 5


def test_what_features_add_is_their_shapley_value():
    rng = np.random.default_rng(7)
    coefficients, context, average = rng.normal(size=(4, 5)), rng.normal(size=5), rng.normal(size=5)
    context[0] = average[0] = 1.0
    features, eligible = [slice(1, 2), slice(2, 4), slice(4, 5)], np.array([True, True, False, True])
    found = contributions(coefficients, context, average, eligible, features)
    scores = np.where(eligible, coefficients @ context, -np.inf)
    assert found.top == scores.argmax()
    ahead = coefficients[found.top] - coefficients[eligible].mean(axis=0)
    expected = np.zeros(3)
    orders = list(permutations(range(3)))
    for order in orders:
        now = average.copy()
        for feature in order:
            before = ahead @ now
            now[features[feature]] = context[features[feature]]
            expected[feature] += (ahead @ now - before) / len(orders)
    np.testing.assert_allclose(found.of_features, expected)
    assert found.by_itself + found.of_features.sum() == pytest.approx(found.lead)
    assert found.lead == pytest.approx(scores[found.top] - scores[eligible].mean())
