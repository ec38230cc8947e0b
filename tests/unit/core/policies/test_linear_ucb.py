import numpy as np
import pytest

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_ucb import LinearUCB, LinearUCBPolicy

ARMS, FEATURES = 4, 3
PLAIN = Arms.plain(range(ARMS))


def logs(rows=600, unit=1.0):
    generator = np.random.default_rng(4)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    shown = generator.integers(0, ARMS, rows)
    return contexts, shown, unit * (0.1 * shown * contexts[:, 1] + generator.normal(size=rows))


def fitted(learner, logged):
    return learner.fit(learner.initial(ARMS, FEATURES).update(*logged), PLAIN, 0)


@pytest.mark.parametrize("pooling", ["disjoint", "shared", "hybrid"])
def test_weights_are_the_softmax_of_the_upper_bounds(pooling):
    contexts, shown, rewards = logs()
    learner = LinearUCB(alpha=1.5, temperature=0.7, pooling=pooling, noise_variance=0.5)
    described = Arms(PLAIN.keys, np.column_stack([np.ones(ARMS), [0.0, 1.0, 1.0, -2.0]]))
    state = learner.initial(ARMS, FEATURES).update(contexts, shown, rewards)
    posterior = learner.posterior(state, described)
    found = learner.fit(state, described, 0).weights(contexts[:5])
    for x, row in zip(contexts, found, strict=False):
        widths = np.array([np.sqrt(x @ root @ root.T @ x) for root in posterior.root])
        odds = np.exp((posterior.mean @ x + 1.5 * widths) / (0.7 * widths.mean()))
        np.testing.assert_allclose(row, odds / odds.sum(), rtol=1e-9)


def test_the_disjoint_bound_is_that_of_lin_ucb():
    contexts, shown, rewards = logs()
    policy = fitted(LinearUCB(noise_variance=1.0), (contexts, shown, rewards))
    x = contexts[0]
    for arm in range(ARMS):
        of_arm = contexts[shown == arm]
        width = np.sqrt(x @ np.linalg.inv(of_arm.T @ of_arm + np.eye(FEATURES)) @ x)
        assert np.linalg.norm(x @ policy.root[arm]) == pytest.approx(width, rel=1e-10)


def test_the_unit_of_rewards_has_no_say():
    weights = [fitted(LinearUCB(), logs(unit=unit)).weights(logs()[0]) for unit in (1.0, 1e6)]
    np.testing.assert_allclose(*weights, rtol=1e-6)


def test_less_is_left_to_chance_as_rows_come_in():
    contexts = logs()[0]
    learner = LinearUCB(noise_variance=1.0)
    largest = [fitted(learner, logs(n)).weights(contexts).max(axis=1).mean() for n in (20, 600, 60_000)]
    assert largest[0] < largest[1] < largest[2]


def test_a_bonus_goes_to_what_is_not_known():
    contexts, shown, rewards = logs()
    seldom = (shown != 2) | (np.arange(len(shown)) < 20)
    logged = contexts[seldom], shown[seldom], 0.0 * rewards[seldom]
    weights = [fitted(LinearUCB(alpha=a, noise_variance=1.0), logged).weights(contexts) for a in (0.0, 1.0)]
    np.testing.assert_allclose(weights[0], 1 / ARMS, rtol=1e-12)
    assert (weights[1].argmax(axis=1) == 2).all()


def test_no_temperature_shares_the_highest_bound():
    mean = np.array([[0.1, 0.3], [0.3, 0.1], [0.3, 0.1 + 1e-16], [0.0, 0.0]])
    contexts = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    third = 1 / 3
    expected = [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [third, third, third, 0], [0.25] * 4]
    for width, temperature in ((0.0, 1.0), (1.0, 0.0)):
        root = np.broadcast_to(width * np.eye(2), (4, 2, 2))
        policy = LinearUCBPolicy(mean, root, np.asarray(1.0), np.asarray(temperature))
        np.testing.assert_allclose(policy.weights(contexts), expected, rtol=1e-12)


def test_chunks_of_users_have_no_say(monkeypatch):
    policy, contexts = fitted(LinearUCB(), logs()), logs()[0]
    whole = policy.weights(contexts)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 16 * ARMS * FEATURES * 7)
    np.testing.assert_allclose(policy.weights(contexts), whole, rtol=1e-12)


@pytest.mark.parametrize("wrong", [{"alpha": -1}, {"alpha": float("inf")}, {"temperature": float("nan")}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        LinearUCB(**wrong)
