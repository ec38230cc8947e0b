"""Features of contexts and arms of which only some interact, against regressions on designs written out."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as Reference

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.epsilon_greedy import EpsilonGreedy
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_posterior import LinearRegression
from nightslate.core.policies.logistic_posterior import LogisticRegression, _Prior
from nightslate.core.policies.statistics import LinearSums

STAGES, DEVICES, TOPICS, FORMATS = 3, 3, 3, 2
CONTEXT = 1 + STAGES + DEVICES
STAGE, TOPIC = slice(1, 1 + STAGES), slice(1, 1 + TOPICS)
TOPIC_OF = np.array([0, 1, 2, 0, 1, 2, 0, 1])
ARMS = TOPIC_OF.size
Z = np.column_stack([np.ones(ARMS), np.eye(TOPICS)[TOPIC_OF], np.eye(FORMATS)[np.arange(ARMS) // 4]])
KEYS = np.arange(31, 31 + ARMS, dtype=np.uint64)
CROSSED = np.zeros((CONTEXT, Z.shape[1]), dtype=bool)
CROSSED[0] = CROSSED[:, 0] = True
CROSSED[STAGE, TOPIC] = True
CROSSED[1 + STAGES :, 1 + TOPICS :] = True
KNOWN = Arms(KEYS, Z, CROSSED)
LAST_IS_NEW = ARMS - 1
RIDGE = 0.7


def contexts_of(generator, rows):
    stage, device = generator.integers(0, STAGES, rows), generator.integers(0, DEVICES, rows)
    return np.column_stack([np.ones(rows), np.eye(STAGES)[stage], np.eye(DEVICES)[device]])


def logs(rows, shown=LAST_IS_NEW, seed=3):
    """A stage has its topic, and nothing else matters."""
    generator = np.random.default_rng(seed)
    contexts, arms = contexts_of(generator, rows), generator.integers(0, shown, rows)
    return contexts, arms, (generator.random(rows) < truth(contexts)[np.arange(rows), arms]) * 1.0


def truth(contexts):
    """(n, A): what each arm is worth."""
    return 0.2 + 0.4 * contexts[:, STAGE] @ np.eye(STAGES)[:, TOPIC_OF]


def maps(pooling):
    """theta_a = T_a b: one T_a (d, p) for each arm, b being all of delta and what is not 0 in M."""
    own = np.eye(ARMS)[:, : 0 if pooling == "shared" else None]
    kept = np.concatenate([CROSSED.T.ravel(), np.ones(own.shape[1] * CONTEXT, dtype=bool)])
    return [np.kron(row, np.eye(CONTEXT))[:, kept] for row in np.hstack([Z, own])]


def assert_is(found, to_arms, mean, covariance):
    for arm, to_theta in enumerate(to_arms):
        np.testing.assert_allclose(found.mean[arm], to_theta @ mean, rtol=0, atol=1e-8)
        root = found.root[arm]
        np.testing.assert_allclose(root @ root.T, to_theta @ covariance @ to_theta.T, rtol=0, atol=1e-8)


@pytest.mark.parametrize("pooling", ["shared", "hybrid"])
def test_a_linear_fit_is_ridge_on_the_columns_that_are_there(pooling):
    contexts, arms, rewards = logs(300)
    to_arms = maps(pooling)
    design = np.stack([x @ to_arms[arm] for x, arm in zip(contexts, arms, strict=True)])
    covariance = np.linalg.inv(design.T @ design + RIDGE * np.eye(design.shape[1]))
    state = LinearSums.zero(ARMS, CONTEXT).update(contexts, arms, rewards)
    settings = LinearRegression(ridge=RIDGE, pooling=pooling, noise_variance=0.25)
    found = settings.posterior(state, KNOWN)
    assert_is(found, to_arms, covariance @ design.T @ rewards, 0.25 * covariance)
    np.testing.assert_array_equal(found.shared.any(axis=2), CROSSED.T)


@pytest.mark.parametrize("pooling", ["shared", "hybrid"])
def test_a_logistic_fit_is_one_logistic_regression_on_the_columns_that_are_there(pooling):
    contexts, arms, rewards = logs(300)
    to_arms = maps(pooling)
    design = np.stack([x @ to_arms[arm] for x, arm in zip(contexts, arms, strict=True)])
    reference = Reference(C=1 / RIDGE, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    b = reference.fit(design, rewards).coef_[0]
    p = expit(design @ b)
    covariance = np.linalg.inv(design.T @ ((p * (1 - p))[:, None] * design) + RIDGE * np.eye(b.size))
    learner = LogisticRegression(ridge=RIDGE, pooling=pooling)
    state = learner.initial(ARMS, CONTEXT).update(contexts, arms, rewards)
    assert_is(learner.posterior(state, KNOWN)[0], to_arms, b, covariance)


@pytest.mark.parametrize("pooling", ["shared", "hybrid"])
def test_a_logistic_prior_is_about_the_smallest_of_what_is_there(pooling):
    """Newton's steps are judged by it; they lead to the mode as a rule even where it is wrong."""
    to_theta = np.vstack(maps(pooling))
    theta = to_theta @ np.random.default_rng(5).normal(size=to_theta.shape[1])
    smallest = np.linalg.lstsq(to_theta, theta, rcond=None)[0]
    prior = _Prior(LinearRegression(ridge=RIDGE, pooling=pooling), KNOWN, CONTEXT)
    assert prior.penalty(theta.reshape(ARMS, CONTEXT)) == pytest.approx(RIDGE / 2 * smallest @ smallest)


@pytest.mark.parametrize("kind", ["linear_ucb", "logistic_ucb"])
@pytest.mark.parametrize("pooling", ["shared", "hybrid"])
def test_where_all_is_named_nothing_changes(kind, pooling):
    learner = LEARNERS[kind](pooling=pooling)
    state = learner.initial(ARMS, CONTEXT).update(*logs(100))
    all_named = learner.fit(state, Arms(KEYS, Z, np.ones_like(CROSSED)), 0)
    np.testing.assert_array_equal(all_named.mean, learner.fit(state, Arms(KEYS, Z), 0).mean)


@pytest.mark.parametrize("kind", ["linear_thompson", "logistic_thompson"])
def test_disjoint_arms_have_no_features_to_interact_with(kind):
    learner = LEARNERS[kind](draws=8)
    state = learner.initial(ARMS, CONTEXT).update(*logs(100))
    found = [learner.fit(state, arms, 0).coefficients for arms in (KNOWN, Arms.plain(KEYS))]
    np.testing.assert_array_equal(*found)


def errors(learner, arms, rows):
    """(A,): how far what is expected of each arm is from the truth after so many rows, over 10 logs."""
    contexts = contexts_of(np.random.default_rng(1), 300)
    squares = []
    for seed in range(10):
        state = learner.initial(ARMS, CONTEXT).update(*logs(rows, seed=seed))
        expected = learner.fit(state, arms, 0).expected_rewards(contexts)
        squares.append(((expected - truth(contexts)) ** 2).mean(axis=0))
    return np.sqrt(np.mean(squares, axis=0))


@pytest.mark.parametrize("kind", ["linear_ucb", "logistic_ucb"])
def test_a_world_of_crosses_is_learnt_from_fewer_rows_than_arm_by_arm(kind):
    """From a quarter of them; and with what does not interact among the coefficients, not as well."""
    pooled, disjoint = LEARNERS[kind](pooling="shared"), LEARNERS[kind]()
    found = errors(pooled, KNOWN, 300).mean()
    assert found < errors(disjoint, KNOWN, 1200).mean()
    assert found < 0.9 * errors(pooled, Arms(KEYS, Z), 300).mean()


@pytest.mark.parametrize("kind", ["linear_ucb", "logistic_ucb"])
def test_a_new_arm_inherits_what_its_topic_is_worth_to_whom(kind):
    found, disjoint = (
        errors(LEARNERS[kind](pooling=pooling), KNOWN, 4000)[LAST_IS_NEW]
        for pooling in ("hybrid", "disjoint")
    )
    assert found < 0.09
    assert disjoint > 0.18


def best_shown(learner, arms):
    """The share of users to whom an arm of their topic would be shown."""
    contexts = contexts_of(np.random.default_rng(1), 300)
    policy = learner.fit(learner.initial(ARMS, CONTEXT).update(*logs(2000)), arms, 0)
    chosen = policy.expected_rewards(contexts).argmax(axis=1)
    return (contexts[:, STAGE].argmax(axis=1) == TOPIC_OF[chosen]).mean()


@pytest.mark.parametrize("kind", ["ridge", "logistic_regression"])
def test_an_estimator_that_only_adds_up_knows_whom_an_arm_is_for(kind):
    learner = EpsilonGreedy(estimator=kind)
    assert best_shown(learner, KNOWN) == 1
    assert best_shown(learner, Arms(KEYS, Z)) < 0.5


def test_an_estimator_sees_the_products_that_are_named():
    contexts, arms, rewards = logs(400)
    policy = EpsilonGreedy(estimator="ridge", parameters={"alpha": RIDGE}).fit(
        EpsilonGreedy().initial(ARMS, CONTEXT).update(contexts, arms, rewards), KNOWN, 0
    )

    def design(arms):
        products = np.einsum("nd,nk->ndk", contexts, Z[arms])[:, 1:, 1:][:, CROSSED[1:, 1:]]
        return np.column_stack([contexts, Z[arms, 1:], np.eye(ARMS)[arms], products, np.ones(len(contexts))])

    seen = design(arms)
    assert seen.shape[1] == CONTEXT + 5 + ARMS + STAGES * TOPICS + DEVICES * FORMATS + 1
    penalty = RIDGE * np.diag([1.0] * (seen.shape[1] - 1) + [0.0])
    b = np.linalg.solve(seen.T @ seen + penalty, seen.T @ rewards)
    for arm in range(ARMS):
        expected = design(np.full(len(contexts), arm)) @ b
        np.testing.assert_allclose(policy.expected_rewards(contexts)[:, arm], expected, atol=1e-8)


@pytest.mark.parametrize("kind", ["linear_thompson", "logistic_thompson", "epsilon_greedy"])
def test_the_order_of_arms_has_no_say(kind):
    learner = (
        EpsilonGreedy(estimator="ridge") if kind == "epsilon_greedy" else LEARNERS[kind](pooling="hybrid")
    )
    contexts, arms, rewards = logs(200)
    places = np.random.default_rng(2).permutation(ARMS)
    weights = []
    for order in (np.arange(ARMS), places):
        state = learner.initial(ARMS, CONTEXT).update(contexts, np.argsort(order)[arms], rewards)
        policy = learner.fit(state, Arms(KEYS[order], Z[order], CROSSED), 5)
        weights.append(policy.weights(contexts)[:, np.argsort(order)])
    np.testing.assert_allclose(*weights, atol=1e-12)


@pytest.mark.parametrize(
    ("crossed", "message"),
    [
        (CROSSED[:, 1:], r"crossed must be booleans of shape \(7, 6\), got bool \(7, 5\)"),
        (CROSSED * 1.0, "crossed must be booleans of shape .* got float64"),
        (CROSSED & (np.arange(CONTEXT) > 0)[:, None], "main effects"),
        (CROSSED & (np.arange(Z.shape[1]) > 0), "main effects"),
    ],
)
def test_what_is_no_list_of_interactions_is_refused(crossed, message):
    with pytest.raises(InvalidInputError, match=message):
        Arms(KEYS, Z, crossed)


@pytest.mark.parametrize("kind", ["linear_ucb", "logistic_ucb", "epsilon_greedy"])
def test_interactions_of_other_contexts_are_refused(kind):
    learner = (
        EpsilonGreedy(estimator="ridge") if kind == "epsilon_greedy" else LEARNERS[kind](pooling="hybrid")
    )
    contexts, arms, rewards = logs(50)
    state = learner.initial(ARMS, CONTEXT - 1).update(contexts[:, 1:], arms, rewards)
    with pytest.raises(InvalidInputError, match=r"crossed must be booleans of shape \(6, 6\)"):
        learner.fit(state, KNOWN, 0)
