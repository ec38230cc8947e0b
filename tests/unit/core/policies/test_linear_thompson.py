import time

import numpy as np
import pytest
from scipy import stats

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.linear_thompson import LinearThompson, LinearThompsonPolicy

ARMS, FEATURES, ROWS = 4, 3, 600
KEYS = [101, 202, 303, 404]
THETA = np.array([[0.2, 0.5, 0.0], [0.1, -0.5, 0.3], [0.4, 0.0, -0.4], [0.0, 0.0, 0.0]])


def logs(noise=0.3, arms=ARMS, rows=ROWS):
    generator = np.random.default_rng(4)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    shown = generator.integers(0, arms, rows)
    return contexts, shown, (contexts * THETA[shown]).sum(axis=1) + generator.normal(0, noise, rows)


def state_of(learner, logged, arms=ARMS):
    return learner.initial(arms, FEATURES).update(*logged)


def test_the_posterior_is_ridge_towards_the_pooled_fit():
    contexts, shown, rewards = logs()
    learner = LinearThompson(ridge=3.0, noise_variance=0.25, scale=2.0)
    policy = learner.fit(state_of(learner, (contexts, shown, rewards)), KEYS, 0)
    ridge = 3.0 * np.eye(FEATURES)
    shared = np.linalg.inv(contexts.T @ contexts + ridge) @ contexts.T @ rewards
    for arm in range(ARMS):
        x, r = contexts[shown == arm], rewards[shown == arm]
        covariance = np.linalg.inv(x.T @ x + ridge)
        np.testing.assert_allclose(policy.mean[arm], covariance @ (x.T @ r + 3.0 * shared), rtol=1e-10)
        np.testing.assert_allclose(
            policy.root[arm] @ policy.root[arm].T, 2.0**2 * 0.25 * covariance, rtol=1e-10
        )
    np.testing.assert_allclose(policy.expected_rewards(contexts), contexts @ policy.mean.T)


def test_an_arm_without_rows_starts_from_the_shared_fit():
    contexts, shown, rewards = logs(arms=3)
    learner = LinearThompson(noise_variance=1.0)
    policy = learner.fit(state_of(learner, (contexts, shown, rewards)), KEYS, 0)
    shared = np.linalg.solve(contexts.T @ contexts + np.eye(FEATURES), contexts.T @ rewards)
    np.testing.assert_allclose(policy.mean[3], shared, rtol=1e-10)
    np.testing.assert_allclose(policy.root[3] @ policy.root[3].T, np.eye(FEATURES), atol=1e-12)


def test_the_noise_is_estimated_from_residuals():
    learner = LinearThompson()
    logged = logs(noise=0.3, rows=4000)
    estimated = learner.fit(state_of(learner, logged), KEYS, 0)
    given = LinearThompson(noise_variance=0.3**2).fit(state_of(learner, logged), KEYS, 0)
    np.testing.assert_allclose(estimated.root, given.root, rtol=0.05, atol=1e-3)


def test_few_rows_do_not_hide_the_noise():
    """Residuals of a fit with many coefficients are small; the degrees of freedom left make up for it."""
    learner, variances = LinearThompson(ridge=1e-3), []
    for repetition in range(300):
        generator = np.random.default_rng(repetition)
        contexts, shown = generator.normal(size=(20, FEATURES)), np.repeat(np.arange(ARMS), 5)
        policy = learner.fit(state_of(learner, (contexts, shown, generator.normal(size=20))), KEYS, 0)
        ratio = (
            policy.root[0]
            @ policy.root[0].T
            @ (contexts[shown == 0].T @ contexts[shown == 0] + 1e-3 * np.eye(FEATURES))
        )
        variances.append(ratio[0, 0])
    assert np.mean(variances) == pytest.approx(1, abs=0.15)


def test_weights_are_the_probability_of_being_best():
    """With a constant context and two arms the probability has a closed form."""
    rewards = np.concatenate([np.full(50, 0.3), np.full(20, 0.1)])
    shown = np.repeat([0, 1], [50, 20])
    learner = LinearThompson(draws=20_000, noise_variance=0.5, scale=1.3)
    state = learner.initial(2, 1).update(np.ones((70, 1)), shown, rewards)
    policy = learner.fit(state, KEYS[:2], 5)
    spread = 1.3 * np.sqrt(0.5 * (1 / 51 + 1 / 21))
    truth = stats.norm.cdf((policy.mean[0, 0] - policy.mean[1, 0]) / spread)
    assert 0.7 < truth < 0.9
    assert policy.weights(np.ones((1, 1)))[0, 0] == pytest.approx(truth, abs=4 * np.sqrt(0.25 / 20_000))


def test_draws_follow_the_posterior():
    root = np.array([[[1.0, 3.0], [0.0, 0.5]], [[0.2, 0.0], [-1.0, 0.1]]])
    policy = LinearThompsonPolicy(
        mean=np.array([[1.0, 2.0], [-1.0, 0.0]]),
        root=root,
        arm_keys=np.array(KEYS[:2], dtype=np.uint64),
        seed=np.asarray(6, dtype=np.uint64),
        draws=np.asarray(20_000),
    )
    for arm in range(2):
        draws, covariance = policy.coefficients[arm], root[arm] @ root[arm].T
        spread = np.sqrt(np.diag(covariance))
        assert (np.abs(draws.mean(axis=0) - policy.mean[arm]) < 4 * spread / np.sqrt(20_000)).all()
        assert np.abs((np.cov(draws.T) - covariance) / np.outer(spread, spread)).max() < 0.04


def test_an_arms_draws_do_not_depend_on_the_other_arms():
    learner = LinearThompson(noise_variance=1.0)
    empty = learner.initial(ARMS, FEATURES)
    all_arms = learner.fit(empty, KEYS, 6).coefficients
    some = learner.fit(learner.initial(2, FEATURES), [KEYS[3], KEYS[1]], 6).coefficients
    np.testing.assert_allclose(some, all_arms[[3, 1]])
    assert not np.allclose(learner.fit(empty, KEYS, 7).coefficients, all_arms)
    assert abs(np.corrcoef(all_arms[0].ravel(), all_arms[1].ravel())[0, 1]) < 0.15


def test_greedy_arms_that_tie_share_evenly():
    policy = LinearThompsonPolicy(
        mean=np.array([[0.1, 0.3], [0.3, 0.1], [0.3, 0.1], [0.0, 0.0]]),
        root=np.zeros((4, 2, 2)),
        arm_keys=np.array(KEYS, dtype=np.uint64),
        seed=np.asarray(0, dtype=np.uint64),
        draws=np.asarray(16),
    )
    contexts = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    third = 1 / 3
    expected = [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [third, third, third, 0], [0.25] * 4]
    np.testing.assert_allclose(policy.weights(contexts), expected, rtol=1e-12)


def test_more_scale_explores_more():
    state = state_of(LinearThompson(), logs())
    largest = [
        LinearThompson(scale=scale).fit(state, KEYS, 1).weights(logs()[0]).max(axis=1).mean()
        for scale in (0.0, 1.0, 20.0)
    ]
    assert largest[0] == 1.0 > largest[1] > largest[2]


def test_chunks_of_users_have_no_say(monkeypatch):
    learner = LinearThompson(draws=32)
    policy, contexts = learner.fit(state_of(learner, logs()), KEYS, 1), logs()[0]
    whole = policy.weights(contexts)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * ARMS * 32 * 7)
    np.testing.assert_allclose(policy.weights(contexts), whole, rtol=1e-12)


def test_eighty_arms_of_thirty_features_fit_in_a_second():
    generator, learner = np.random.default_rng(0), LinearThompson()
    state = learner.initial(80, 30).update(
        generator.normal(size=(5000, 30)), generator.integers(0, 80, 5000), generator.random(5000)
    )
    start = time.perf_counter()
    learner.fit(state, range(80), 0)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "settings",
    [{"ridge": 0}, {"ridge": float("nan")}, {"draws": 0}, {"scale": -1}, {"scale": float("inf")}]
    + [{"noise_variance": variance} for variance in (0, -1, float("nan"), float("inf"))],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(InvalidInputError, match=next(iter(settings))):
        LinearThompson(**settings)


def test_contexts_of_another_width_are_refused():
    learner = LinearThompson()
    policy = learner.fit(state_of(learner, logs()), KEYS, 1)
    for call in (policy.weights, policy.expected_rewards):
        with pytest.raises(InvalidInputError, match="contexts must have shape"):
            call(np.ones((2, FEATURES + 1)))
    with pytest.raises(InvalidInputError, match="contexts must have shape"):
        state_of(learner, (np.ones((2, 1)), np.array([0, 1]), np.zeros(2)))
