"""The regression behind the linear learners, against ridge on explicit designs."""

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import LinearRegression
from nightslate.core.policies.statistics import LinearSums

ARMS, FEATURES, ROWS = 4, 3, 600
Z = np.column_stack([np.ones(ARMS), [0.5, -1.0, 2.0, 0.25]])
DESCRIBED = Arms(np.arange(ARMS, dtype=np.uint64), Z)
THETA = np.array([[0.2, 0.5, 0.0], [0.1, -0.5, 0.3], [0.4, 0.0, -0.4], [0.0, 0.0, 0.0]])
POOLINGS = ("disjoint", "shared", "hybrid")


def logs(arms=ARMS, rows=ROWS, noise=0.3):
    generator = np.random.default_rng(4)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    shown = generator.integers(0, arms, rows)
    return contexts, shown, (contexts * THETA[shown]).sum(axis=1) + generator.normal(0, noise, rows)


def posterior(logged, weights=None, **settings):
    state = LinearSums.zero(ARMS, FEATURES).update(*logged, weights)
    return LinearRegression(**settings).posterior(state, DESCRIBED)


def ridge_regression(design, rewards, penalty):
    """The textbook posterior: mean, and covariance in units of the noise."""
    covariance = np.linalg.inv(design.T @ design + penalty * np.eye(design.shape[1]))
    return covariance @ design.T @ rewards, covariance


def crossed(shown, contexts):
    """The explicit design of M: every feature of the arm with every feature of the context."""
    return np.stack([np.kron(z, x) for z, x in zip(Z[shown], contexts, strict=True)])


def dummied(shown, contexts):
    """The explicit design of the arms' own parts."""
    return np.stack([np.kron(e, x) for e, x in zip(np.eye(ARMS)[shown], contexts, strict=True)])


def assert_is(found, mean, covariance, variance):
    """`mean` (A d,) and `covariance` (A d, A d): of all coefficients, arm by arm."""
    np.testing.assert_allclose(found.mean.ravel(), mean, rtol=1e-9, atol=1e-12)
    for arm in range(ARMS):
        of_arm = slice(arm * FEATURES, (arm + 1) * FEATURES)
        np.testing.assert_allclose(
            found.root[arm] @ found.root[arm].T, variance * covariance[of_arm, of_arm], rtol=1e-9, atol=1e-12
        )


def test_disjoint_is_ridge_towards_the_pooled_fit():
    contexts, shown, rewards = logs()
    found = posterior((contexts, shown, rewards), ridge=3.0, noise_variance=0.25)
    pooled, _ = ridge_regression(contexts, rewards, 3.0)
    for arm in range(ARMS):
        x, r = contexts[shown == arm], rewards[shown == arm]
        change, covariance = ridge_regression(x, r - x @ pooled, 3.0)
        np.testing.assert_allclose(found.mean[arm], pooled + change, rtol=1e-10)
        np.testing.assert_allclose(found.root[arm] @ found.root[arm].T, 0.25 * covariance, rtol=1e-10)


def test_shared_is_ridge_on_crossed_features():
    contexts, shown, rewards = logs(arms=3)
    found = posterior((contexts, shown, rewards), ridge=3.0, noise_variance=0.25, pooling="shared")
    mean, covariance = ridge_regression(crossed(shown, contexts), rewards, 3.0)
    to_arms = np.vstack([np.kron(z, np.eye(FEATURES)) for z in Z])
    assert_is(found, to_arms @ mean, to_arms @ covariance @ to_arms.T, 0.25)


def test_hybrid_is_ridge_on_crossed_features_and_those_of_each_arm():
    contexts, shown, rewards = logs(arms=3, rows=40)
    found = posterior((contexts, shown, rewards), ridge=3.0, noise_variance=0.25, pooling="hybrid")
    design = np.hstack([crossed(shown, contexts), dummied(shown, contexts)])
    mean, covariance = ridge_regression(design, rewards, 3.0)
    to_arms = np.hstack([np.vstack([np.kron(z, np.eye(FEATURES)) for z in Z]), np.eye(ARMS * FEATURES)])
    assert_is(found, to_arms @ mean, to_arms @ covariance @ to_arms.T, 0.25)


def test_hybrid_lies_between_what_features_say_and_what_rows_say():
    """With many rows an arm is as its rows say; with none, as the matrix M says that rows have taught."""
    few, many = logs(arms=3, rows=30), logs(arms=3, rows=60_000)
    own = [posterior(many, noise_variance=1.0, pooling=p).mean[:3] for p in ("hybrid", "disjoint")]
    np.testing.assert_allclose(*own, atol=1e-3)
    assert np.abs(posterior(many, noise_variance=1.0, pooling="shared").mean[:3] - own[0]).max() > 0.1
    widths = [
        np.linalg.norm(posterior(few, noise_variance=1.0, pooling=pooling).root, axis=(1, 2))
        for pooling in ("shared", "hybrid")
    ]
    assert (widths[0] < widths[1]).all()
    assert widths[1].argmax() == 3


def test_an_arm_without_rows_has_the_priors_width():
    logged = logs(arms=3)
    disjoint = posterior(logged, noise_variance=1.0)
    pooled, _ = ridge_regression(logged[0], logged[2], 1.0)
    np.testing.assert_allclose(disjoint.mean[3], pooled, rtol=1e-10)
    np.testing.assert_allclose(disjoint.root[3] @ disjoint.root[3].T, np.eye(FEATURES), atol=1e-12)
    hybrid = posterior(logged, noise_variance=1.0, pooling="hybrid")
    assert (np.linalg.eigvalsh(hybrid.root[3] @ hybrid.root[3].T) > 1).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_weight_is_a_number_of_rows(pooling):
    contexts, shown, rewards = logs(rows=200)
    times = np.random.default_rng(1).integers(0, 4, 200)
    repeated = [np.repeat(column, times, axis=0) for column in (contexts, shown, rewards)]
    weighted = posterior((contexts, shown, rewards), times.astype(float), pooling=pooling)
    expected = posterior(repeated, pooling=pooling)
    np.testing.assert_allclose(weighted.mean, expected.mean, rtol=1e-9)
    np.testing.assert_allclose(weighted.root, expected.root, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_noise_is_estimated_from_residuals(pooling):
    """Residuals of a fit with many coefficients are small; the degrees of freedom left make up for it."""
    variances = []
    for repetition in range(300):
        generator = np.random.default_rng(repetition)
        contexts, shown = generator.normal(size=(20, FEATURES)), np.repeat(np.arange(ARMS), 5)
        logged = contexts, shown, generator.normal(size=20)
        variances.append(posterior(logged, ridge=1e-3, pooling=pooling).variance)
    assert np.mean(variances) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_rewards_of_nothing_but_zero_leave_no_width(pooling):
    contexts, shown, rewards = logs()
    for logged in ((contexts, shown, 0 * rewards), (contexts[:0], shown[:0], rewards[:0])):
        found = posterior(logged, pooling=pooling)
        assert not found.mean.any()
        assert not found.root.any()


@pytest.mark.parametrize(
    "wrong",
    [{"ridge": 0}, {"ridge": float("nan")}, {"pooling": "some"}, {"forgetting": 0}, {"forgetting": 1.01}]
    + [{"noise_variance": variance} for variance in (0, -1, float("nan"), float("inf"))],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        LinearRegression(**wrong)
