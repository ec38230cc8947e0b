"""Coefficients with posterior intervals, held against scikit-learn's Bayesian ridge regression."""

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge, Ridge

from nightslate.core.insights import (
    centring,
    effects_of_arms,
    effects_of_features,
    fitted_regression,
    is_regression,
)
from nightslate.core.policies import Arms, LinearThompson, LinearUCB, LogisticThompson, Uniform

ARMS, ROWS = 6, 900
FEATURES = np.column_stack([np.ones(ARMS), np.eye(2)[[0, 1, 0, 1, 0, 1]], np.linspace(-1, 1, ARMS)])
KEYS = np.arange(1, ARMS + 1, dtype=np.uint64)
KNOWN = Arms(KEYS, FEATURES)
CATEGORY = slice(1, 4)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(3)
    contexts = np.column_stack(
        [np.ones(ROWS), np.eye(3)[rng.choice(3, ROWS, p=[0.6, 0.3, 0.1])], rng.normal(2, 3, ROWS)]
    )
    arms = rng.integers(ARMS, size=ROWS)
    rewards = contexts[:, 1] * FEATURES[arms, 2] + 0.1 * contexts[:, 4] + rng.normal(0, 0.5, ROWS)
    return contexts, arms, rewards


def design(contexts, arms):
    """Features of arms times those of contexts, in the order of M' (k, d)."""
    return (FEATURES[arms][:, :, None] * contexts[:, None, :]).reshape(len(contexts), -1)


def taught(learner, world):
    return learner.initial(ARMS, world[0].shape[1]).update(*world)


def test_effects_without_centring_are_those_of_a_bayesian_ridge(world):
    peer = BayesianRidge(fit_intercept=False, tol=1e-12, max_iter=1000)
    peer.fit(design(*world[:2]), world[2])
    learner = LinearThompson(
        pooling="shared", ridge=peer.lambda_ / peer.alpha_, noise_variance=1 / peer.alpha_
    )
    found = fitted_regression(learner, taught(learner, world), KNOWN)
    effects = effects_of_features(found.posterior, np.eye(5), np.eye(4))
    np.testing.assert_allclose(effects.mean.ravel(), peer.coef_, atol=1e-9)
    np.testing.assert_allclose(effects.stderr.ravel(), np.sqrt(np.diag(peer.sigma_)), rtol=1e-7)


def test_centred_effects_are_linear_in_the_coefficients_and_so_is_their_posterior(world):
    learner = LinearThompson(pooling="shared", ridge=2.0, noise_variance=0.25)
    found = fitted_regression(learner, taught(learner, world), KNOWN)
    of_contexts, of_arms = centring(world[0], [CATEGORY]), centring(FEATURES, [slice(1, 3)])
    effects = effects_of_features(found.posterior, of_contexts, of_arms)
    x = design(*world[:2])
    covariance = 0.25 * np.linalg.inv(x.T @ x + 2.0 * np.eye(20))
    both = np.kron(of_arms, of_contexts)
    coefficients = Ridge(alpha=2.0, fit_intercept=False, solver="cholesky").fit(x, world[2]).coef_
    np.testing.assert_allclose(effects.mean.ravel(), both @ coefficients, atol=1e-8)
    np.testing.assert_allclose(
        effects.stderr.ravel(), np.sqrt(np.diag(both @ covariance @ both.T)), rtol=1e-7
    )


def test_what_no_log_can_tell_apart_moves_no_effect_but_the_level(world):
    """All values of a category a little higher, and the constant as much lower: the same regression."""
    turned = centring(world[0], [CATEGORY])
    np.testing.assert_allclose(turned @ np.array([-1.0, 1.0, 1.0, 1.0, 0.0]), np.zeros(5), atol=1e-12)
    coefficients = np.array([0.5, 1.0, -1.0, 2.0, 0.3])
    effects = turned @ coefficients
    assert effects[0] == pytest.approx((world[0] @ coefficients).mean())
    assert world[0][:, CATEGORY].mean(axis=0) @ effects[CATEGORY] == pytest.approx(0.0)
    assert effects[4] == pytest.approx(0.3 * world[0][:, 4].std())


def test_a_category_that_no_row_has_a_value_of_is_beside_its_plain_mean():
    turned = centring(np.array([[1.0, 0.0, 0.0]]), [slice(1, 3)])
    np.testing.assert_allclose(turned @ np.array([5.0, 1.0, 3.0]), [5.0, -1.0, 1.0])


@pytest.mark.parametrize("learner", [LinearUCB(), LogisticThompson()])
def test_effects_of_arms_are_the_posteriors_that_policies_have(learner, world):
    contexts, arms, rewards = world
    state = learner.initial(ARMS, 5).update(contexts, arms, np.clip(rewards, 0, 1))
    found = fitted_regression(learner, state, Arms.plain(KEYS))
    effects = effects_of_arms(found.posterior, np.eye(5))
    np.testing.assert_array_equal(effects.mean, learner.fit(state, Arms.plain(KEYS), 1).mean)
    covariances = found.posterior.root @ found.posterior.root.transpose(0, 2, 1)
    np.testing.assert_allclose(effects.stderr, np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)))


@pytest.mark.parametrize("pooling", ["shared", "hybrid"])
@pytest.mark.parametrize("kind", [LinearThompson, LogisticThompson])
def test_an_arm_is_expected_to_earn_what_its_policy_expects(kind, pooling, world):
    contexts, arms, rewards = world
    learner = kind(pooling=pooling)
    state = learner.initial(ARMS, 5).update(contexts, arms, np.clip(rewards, 0, 2))
    found = fitted_regression(learner, state, KNOWN)
    expected = learner.fit(state, KNOWN, 1).expected_rewards(contexts)[np.arange(ROWS), arms]
    np.testing.assert_allclose(found.expected(contexts, arms), expected)
    np.testing.assert_allclose(found.expected(contexts, arms, FEATURES[arms]), expected)
    others = FEATURES[arms][:, [0, 2, 1, 3]]
    if pooling == "shared":  # an arm is nothing but its features
        scores = np.einsum("nd,nk,kd->n", contexts, others, found.posterior.matrix)
        linear = found.reward_max is None
        as_others = scores if linear else found.reward_max / (1 + np.exp(-scores))
        np.testing.assert_allclose(found.expected(contexts, arms, others), as_others)
    assert np.abs(found.expected(contexts, arms, others) - expected).max() > 0.1


def test_who_has_no_coefficients():
    assert is_regression(LinearUCB())
    assert not is_regression(Uniform())
