import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import TIE
from nightslate.core.policies.linear_thompson import LinearThompson, LinearThompsonPolicy

ARMS, FEATURES, ROWS = 4, 3, 600
KEYS = np.array([101, 202, 303, 404], dtype=np.uint64)
PLAIN = Arms.plain(KEYS)
THETA = np.array([[0.2, 0.5, 0.0], [0.1, -0.5, 0.3], [0.4, 0.0, -0.4], [0.0, 0.0, 0.0]])
ROUNDING = 2e-15


def logs(noise=0.3, arms=ARMS, rows=ROWS):
    generator = np.random.default_rng(4)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    shown = generator.integers(0, arms, rows)
    return contexts, shown, (contexts * THETA[shown]).sum(axis=1) + generator.normal(0, noise, rows)


def state_of(learner, logged, arms=ARMS):
    return learner.initial(arms, FEATURES).update(*logged)


def test_weights_are_the_probability_of_being_best():
    """With a constant context and two arms the probability has a closed form."""
    rewards = np.concatenate([np.full(50, 0.3), np.full(20, 0.1)])
    shown = np.repeat([0, 1], [50, 20])
    learner = LinearThompson(draws=20_000, noise_variance=0.5, scale=1.3)
    state = learner.initial(2, 1).update(np.ones((70, 1)), shown, rewards)
    policy = learner.fit(state, Arms.plain(KEYS[:2]), 5)
    spread = 1.3 * np.sqrt(0.5 * (1 / 51 + 1 / 21))
    truth = stats.norm.cdf((policy.mean[0, 0] - policy.mean[1, 0]) / spread)
    assert 0.7 < truth < 0.9
    assert policy.weights(np.ones((1, 1)))[0, 0] == pytest.approx(truth, abs=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize("pooling", ["disjoint", "shared", "hybrid"])
def test_draws_follow_the_joint_posterior(pooling):
    """The variance of the difference of two arms' rewards, too: what they share moves both."""
    learner = LinearThompson(draws=20_000, noise_variance=0.5, scale=1.5, pooling=pooling, ridge=5.0)
    described = Arms(KEYS, np.column_stack([np.ones(ARMS), [0.0, 1.0, 1.0, -2.0]]))
    state = state_of(learner, logs(rows=60, arms=3))
    posterior = learner.posterior(state, described)
    draws = learner.fit(state, described, 6).coefficients
    x = np.array([1.0, -0.5, 2.0])
    for arm, other in ((0, 1), (1, 2), (3, 0)):
        followed = [
            x @ posterior.pull[a] @ np.tensordot(posterior.features[a], posterior.shared, 1)
            for a in (arm, other)
        ]
        own = [x @ posterior.own[a] for a in (arm, other)]
        variance = 1.5**2 * 0.5 * (((followed[0] - followed[1]) ** 2).sum() + sum((o**2).sum() for o in own))
        difference = (draws[arm] - draws[other]) @ x
        assert difference.var() == pytest.approx(variance, rel=0.05, abs=1e-20)
        mean = (posterior.mean[arm] - posterior.mean[other]) @ x
        assert difference.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 20_000) + 1e-12)
        covariance = 1.5**2 * posterior.root[arm] @ posterior.root[arm].T
        spread = np.sqrt(np.diag(covariance))
        assert np.abs((np.cov(draws[arm].T) - covariance) / np.outer(spread, spread)).max() < 0.04


def test_an_arms_draws_do_not_depend_on_the_other_arms():
    learner = LinearThompson(noise_variance=1.0)
    empty = learner.initial(ARMS, FEATURES)
    all_arms = learner.fit(empty, PLAIN, 6).coefficients
    some = learner.fit(learner.initial(2, FEATURES), Arms.plain(KEYS[[3, 1]]), 6).coefficients
    np.testing.assert_allclose(some, all_arms[[3, 1]])
    assert not np.allclose(learner.fit(empty, PLAIN, 7).coefficients, all_arms)
    assert abs(np.corrcoef(all_arms[0].ravel(), all_arms[1].ravel())[0, 1]) < 0.15


def test_arms_that_tie_share_evenly():
    mean = np.array([[0.1, 0.3], [0.3, 0.1], [0.3, 0.1], [0.0, 0.0]])
    policy = LinearThompsonPolicy(mean, np.repeat(mean[:, None, :], 16, axis=1))
    contexts = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    third = 1 / 3
    expected = [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [third, third, third, 0], [0.25] * 4]
    np.testing.assert_allclose(policy.weights(contexts), expected, rtol=1e-12)


def test_arms_with_equal_features_are_one_arm_if_all_is_shared():
    learner = LinearThompson(pooling="shared", draws=32)
    described = Arms(KEYS, np.column_stack([np.ones(ARMS), [0.5, 0.1, 0.5, 0.1]]))
    weights = learner.fit(state_of(learner, logs()), described, 1).weights(logs()[0])
    np.testing.assert_array_equal(weights[:, :2], weights[:, 2:])
    assert 0.05 < weights[:, 0].mean() < 0.45


@given(
    st.integers(0, 2**32),
    st.floats(-300, 300),
    st.sampled_from([0.0, 1e-9, 1e-7, 1e-5, 1.0]),
    st.integers(1, 300),
)
@example(1, -43.0, 1.0, 200)  # where float32 has a digit left
@example(0, 44.0, 1e-9, 4)  # beyond float32, where it is all or nothing: here as many wins as draws
@settings(deadline=None, max_examples=40)
def test_weights_are_exact_however_close_the_scores(seed, magnitude, apart, draws):
    """What float32 can't tell apart is told apart in float64, at any magnitude."""
    generator = np.random.default_rng(seed)
    level = generator.normal(size=(1, draws, FEATURES))
    coefficients = 10.0**magnitude * (level + apart * generator.normal(size=(ARMS, draws, FEATURES)))
    contexts = generator.normal(size=(20, FEATURES))
    weights = LinearThompsonPolicy(coefficients.mean(axis=1), coefficients).weights(contexts)
    scores = np.einsum("akd,nd->nak", coefficients, contexts)
    sizes = np.abs(contexts) @ np.abs(coefficients).max(axis=(0, 1))
    below, sizes = scores.max(axis=1, keepdims=True) - scores, sizes[:, None, None]
    # what is so near to the edge of a tie is one or none by how sums are rounded
    assume((np.abs(below - TIE * sizes) > ROUNDING * sizes).all())
    wins = below <= TIE * sizes
    assert wins.all() or apart
    np.testing.assert_allclose(weights, (wins / wins.sum(axis=1, keepdims=True)).mean(axis=2), atol=1e-12)


def test_more_scale_explores_more():
    state = state_of(LinearThompson(), logs())
    largest = [
        LinearThompson(scale=scale).fit(state, PLAIN, 1).weights(logs()[0]).max(axis=1).mean()
        for scale in (0.0, 1.0, 20.0)
    ]
    assert largest[0] == 1.0 > largest[1] > largest[2]


def test_chunks_of_users_have_no_say(monkeypatch):
    learner = LinearThompson(draws=32)
    policy, contexts = learner.fit(state_of(learner, logs()), PLAIN, 1), logs()[0]
    whole = policy.weights(contexts)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * ARMS * 32 * 7)
    np.testing.assert_allclose(policy.weights(contexts), whole, rtol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [{"draws": 0}, {"scale": -1}, {"scale": float("inf")}, {"ridge": 0}],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        LinearThompson(**wrong)


def test_contexts_of_another_width_are_refused():
    learner = LinearThompson()
    policy = learner.fit(state_of(learner, logs()), PLAIN, 1)
    for call in (policy.weights, policy.expected_rewards):
        with pytest.raises(InvalidInputError, match="contexts must have shape"):
            call(np.ones((2, FEATURES + 1)))
    with pytest.raises(InvalidInputError, match="contexts must have shape"):
        state_of(learner, (np.ones((2, 1)), np.array([0, 1]), np.zeros(2)))
