import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.logistic_thompson import LogisticThompson
from nightslate.core.policies.logistic_ucb import LogisticUCB

ANYONE = np.ones((1, 1))


def counted(learner, successes, failures, reward=1.0):
    """The policy after so many successes and failures of each arm, without any feature but the constant."""
    shown = np.tile(np.arange(len(successes)), 2)
    rewards = np.repeat([reward, 0.0], len(successes))
    state = learner.initial(len(successes), 1).update(
        np.ones((shown.size, 1)), shown, rewards, np.array([*successes, *failures], dtype=np.float64)
    )
    return learner.fit(state, Arms.plain(range(7, 7 + len(successes))), 5)


def test_thompson_weights_are_the_probability_of_being_best():
    """With a constant context and two arms the probability has a closed form. Each arm has a spread of its
    own; arms follow M to different degrees, and the difference of those has the spread of M."""
    policy = counted(LogisticThompson(draws=20_000, scale=1.3, ridge=2.0), [30, 10], [20, 15])
    p = expit(policy.mean[:, 0])
    information = np.array([50, 25]) * p * (1 - p)
    own, pull = 1 / (information + 2), 2 / (information + 2)
    shared = 1 / (2 + (pull * information).sum())
    spread = 1.3 * np.sqrt(own.sum() + (pull[0] - pull[1]) ** 2 * shared)
    truth = stats.norm.cdf((policy.mean[0, 0] - policy.mean[1, 0]) / spread)
    assert 0.7 < truth < 0.97
    assert policy.weights(ANYONE)[0, 0] == pytest.approx(truth, abs=4 * np.sqrt(0.25 / 20_000))


def test_upper_bounds_are_those_of_the_log_odds():
    policy = counted(LogisticUCB(alpha=1.5, temperature=0.5), [30, 10, 0], [20, 15, 1])
    widths = np.sqrt((policy.root[:, 0] ** 2).sum(axis=1))
    odds = np.exp((policy.mean[:, 0] + 1.5 * widths) / (0.5 * widths.mean()))
    np.testing.assert_allclose(policy.weights(ANYONE)[0], odds / odds.sum(), rtol=1e-12)


@pytest.mark.parametrize("kind", [LogisticThompson, LogisticUCB])
def test_expected_rewards_are_in_units_of_rewards(kind):
    policy = counted(kind(ridge=1e-6), [30, 10], [70, 90], reward=5.0)
    np.testing.assert_allclose(policy.expected_rewards(ANYONE)[0], [1.5, 0.5], rtol=1e-3)


def test_new_arms_start_between_the_others_and_are_explored():
    policy = counted(LogisticUCB(alpha=0.0), [300, 100, 0], [700, 900, 0])
    new, known = policy.mean[2, 0], policy.mean[:2, 0]
    assert known.min() < new < known.max()
    widths = np.sqrt((policy.root[:, 0] ** 2).sum(axis=1))
    assert widths[2] > 5 * widths[:2].max()
    explored = counted(LogisticUCB(alpha=2.0), [300, 100, 0], [700, 900, 0])
    assert explored.weights(ANYONE)[0].argmax() == 2 > policy.weights(ANYONE)[0].argmax()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (LogisticThompson, {"draws": 0}),
        (LogisticThompson, {"scale": -1.0}),
        (LogisticThompson, {"ridge": -1.0}),
        (LogisticUCB, {"alpha": -1.0}),
        (LogisticUCB, {"temperature": float("inf")}),
        (LogisticUCB, {"max_rows": 0}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, settings):
    with pytest.raises(InvalidInputError, match=next(iter(settings))):
        kind(**settings)
