import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as Reference

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies import logistic_posterior
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.logistic_posterior import LogisticRegression

ARMS, FEATURES, ROWS, RIDGE = 4, 3, 500, 0.7
KEYS = np.array([101, 202, 303, 404], dtype=np.uint64)
DESCRIBED = Arms(KEYS, np.array([[1.0, 0.5], [1.0, -1.0], [1.0, 0.0], [1.0, 2.0]]))
PLAIN = Arms.plain(KEYS)


def logs(shown=ARMS, rows=ROWS):
    generator = np.random.default_rng(4)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=(rows, FEATURES - 1))])
    arms = generator.integers(0, shown, rows)
    theta = np.array([[-1, 1, 0], [-2, -1, 0.5], [0, 0, -1], [-1, 0, 0]])
    return contexts, arms, (generator.random(rows) < expit((contexts * theta[arms]).sum(axis=1))) * 1.0


def posterior(logged, arms, **settings):
    learner = LogisticRegression(**{"ridge": RIDGE, **settings})
    state = learner.initial(len(arms.keys), logged[0].shape[1]).update(*logged)
    return learner.posterior(state, arms)[0]


def parameters(arms, pooling):
    """theta_a = T_a b: one T_a (d, p) for each arm, b being all of M and delta."""
    features = np.ones((len(arms.keys), 1)) if pooling == "disjoint" else arms.features
    own = np.eye(len(arms.keys))[:, : 0 if pooling == "shared" else None]
    return [np.kron(row, np.eye(FEATURES)) for row in np.hstack([features, own])]


@pytest.mark.parametrize("pooling", ["disjoint", "shared", "hybrid"])
@pytest.mark.parametrize("shown", [ARMS, ARMS - 1], ids=["all arms", "one arm new"])
def test_mode_and_curvature_are_those_of_one_big_logistic_regression(pooling, shown):
    """As scikit-learn finds the mode with all of M and delta written out, and as the Hessian there says."""
    contexts, arms, rewards = logs(shown)
    maps = parameters(DESCRIBED, pooling)
    design = np.stack([x @ maps[arm] for x, arm in zip(contexts, arms, strict=True)])
    reference = Reference(C=1 / RIDGE, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    b = reference.fit(design, rewards).coef_[0]
    p = expit(design @ b)
    covariance = np.linalg.inv(design.T @ ((p * (1 - p))[:, None] * design) + RIDGE * np.eye(b.size))

    found = posterior((contexts, arms, rewards), DESCRIBED, pooling=pooling)

    for arm, to_theta in enumerate(maps):
        np.testing.assert_allclose(found.mean[arm], to_theta @ b, rtol=0, atol=1e-8)
        root = found.root[arm]
        np.testing.assert_allclose(root @ root.T, to_theta @ covariance @ to_theta.T, rtol=0, atol=1e-8)


def test_weights_are_numbers_of_rows():
    contexts, arms, rewards = logs()
    times = np.arange(ROWS) % 3
    repeated = tuple(np.repeat(column, times, axis=0) for column in (contexts, arms, rewards))
    weighted = posterior((contexts, arms, rewards, times * 1.0), PLAIN)
    np.testing.assert_allclose(weighted.mean, posterior(repeated, PLAIN).mean, rtol=0, atol=1e-10)


def test_a_fraction_counts_as_a_share_of_a_success_and_of_a_failure():
    contexts, arms, _ = logs()
    fractions = np.random.default_rng(5).random(ROWS)
    both = np.vstack([contexts, contexts]), np.tile(arms, 2), np.repeat([1.0, 0.0], ROWS)
    split = posterior((*both, np.concatenate([fractions, 1 - fractions])), PLAIN)
    found = posterior((contexts, arms, fractions), PLAIN)
    np.testing.assert_allclose(found.mean, split.mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.root, split.root, rtol=0, atol=1e-8)


def test_larger_rewards_are_shares_of_the_largest():
    contexts, arms, rewards = logs()
    learner = LogisticRegression()
    state = learner.initial(ARMS, FEATURES).update(contexts, arms, 4 * rewards)
    found, largest = learner.posterior(state, PLAIN)
    assert largest == 4
    np.testing.assert_allclose(found.mean, posterior((contexts, arms, rewards), PLAIN, ridge=1.0).mean)


def test_a_sample_of_the_rows_makes_the_posterior_wider_not_surer():
    contexts, arms, rewards = logs(rows=4000)
    whole = posterior((contexts, arms, rewards), PLAIN, pooling="shared")
    part = posterior((contexts, arms, rewards), PLAIN, pooling="shared", max_rows=1001)
    ratio = np.linalg.det(part.root[0]) / np.linalg.det(whole.root[0])
    assert ratio == pytest.approx(4 ** (FEATURES / 2), rel=0.1)
    z = np.linalg.solve(part.root[0], part.mean[0] - whole.mean[0])
    assert np.abs(z).max() < 3


def test_steps_that_overshoot_are_halved(monkeypatch):
    """Full steps never arrive here: one row weighs as much as thousands, and sizes differ by a factor 600."""
    contexts = np.array([[0.2, -0.1], [-5.8, 0.2], [-0.4, -2.6], [-63.7, -0.1]])
    logged = (
        contexts,
        np.zeros(4, np.int64),
        np.array([0.8, 0.8, 0.3, 0.2]),
        np.array([0.1, 2911.8, 0.2, 0.2]),
    )
    arms, settings = Arms.plain(KEYS[:1]), {"pooling": "shared", "ridge": 1e-3}
    theta = posterior(logged, arms, **settings).mean[0]
    slope = (logged[3] * (logged[2] - expit(contexts @ theta))) @ contexts - 1e-3 * theta
    np.testing.assert_allclose(slope, 0, atol=1e-8)
    monkeypatch.setattr(logistic_posterior, "_SIZES", (1.0,))
    with pytest.raises(InvalidInputError, match="after 100 steps the logistic fit still moves"):
        posterior(logged, arms, **settings)


def test_separable_arms_stay_finite():
    contexts = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    logged = contexts, np.repeat([0, 1], 20), np.repeat([0.0, 1.0], 20)
    found = posterior(logged, Arms.plain(KEYS[:2]), ridge=1e-6)
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.root).all()


def test_negative_rewards_are_refused_with_advice():
    contexts, arms, rewards = logs()
    with pytest.raises(InvalidInputError, match="add a constant to all rewards, or take a linear model"):
        posterior((contexts, arms, rewards - 0.5), PLAIN)


@pytest.mark.parametrize(
    "settings",
    [{"ridge": 0.0}, {"ridge": float("nan")}, {"pooling": "some"}, {"max_rows": 1}, {"forgetting": 0.0}],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(InvalidInputError, match=next(iter(settings))):
        LogisticRegression(**settings)
