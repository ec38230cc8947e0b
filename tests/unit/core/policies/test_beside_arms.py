"""Learners that see of a context, beside each arm, what is about that arm."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies import (
    LEARNERS,
    Arms,
    EpsilonGreedy,
    LinearThompson,
    LinearUCB,
    LogisticThompson,
    LogisticUCB,
)
from nightslate.core.policies.beside_arms import BesideArms

N_ARMS, N = 5, 4000
# a constant, a number, and how often each arm was seen
BESIDE = BesideArms(np.array([[0, 1, 2 + arm] for arm in range(N_ARMS)]), 2 + N_ARMS)
KEYS = np.arange(10, 10 + N_ARMS, dtype=np.uint64)
KINDS = np.column_stack([np.ones(N_ARMS), np.arange(N_ARMS) % 2])
ARMS = Arms(KEYS, KINDS, beside=BESIDE)
LEARNT = [
    LinearThompson(pooling="hybrid", draws=64),
    LinearThompson(pooling="disjoint", draws=64),
    LinearUCB(pooling="shared"),
    LogisticThompson(pooling="hybrid", draws=64),
    LogisticUCB(pooling="shared"),
    EpsilonGreedy(estimator="ridge"),
    EpsilonGreedy(parameters={"max_iter": 30, "max_leaf_nodes": 4}),
]


def logs(seed=0, fatigue=0.1):
    """Rewards that fall with every time that the arm was seen, whichever arm it is."""
    random = np.random.default_rng(seed)
    seen = random.integers(0, 5, (N, N_ARMS)).astype(np.float64)
    contexts = np.column_stack([np.ones(N), random.normal(size=N), seen])
    arms = random.integers(0, N_ARMS, N)
    chance = 0.5 - fatigue * seen[np.arange(N), arms]
    return contexts, arms, (random.random(N) < chance).astype(np.float64)


def named(learner):
    return f"{learner.kind}_{getattr(learner, 'pooling', getattr(learner, 'estimator', ''))}"


def fitted(learner, fatigue=0.1):
    contexts, arms, rewards = logs(fatigue=fatigue)
    state = learner.initial(N_ARMS, 3).update(BESIDE(contexts, arms), arms, rewards)
    return learner.fit(state, ARMS, seed=1)


def test_what_is_beside_an_arm_is_its_own():
    contexts, arms, _ = logs()
    beside = BESIDE(contexts, arms)
    assert (beside[:, :2] == contexts[:, :2]).all()
    assert (beside[:, 2] == contexts[np.arange(N), 2 + arms]).all()


def test_coefficients_spread_are_the_same_products():
    contexts, _, _ = logs()
    coefficients = np.random.default_rng(3).normal(size=(N_ARMS, 7, 3))
    spread = BESIDE.spread(coefficients)
    assert spread.shape == (N_ARMS, 7, 7)
    for arm in range(N_ARMS):
        own = BESIDE(contexts, np.full(N, arm)) @ coefficients[arm].T
        np.testing.assert_allclose(contexts @ spread[arm].T, own, atol=1e-12)


@pytest.mark.parametrize("places", [[[0, 1, 7]], [[0, 0, 1]], [[-1, 0, 1]]])
def test_places_are_there_and_differ(places):
    with pytest.raises(InvalidInputError, match="place"):
        BesideArms(np.array(places), 7)


@pytest.mark.parametrize("learner", LEARNT, ids=named)
def test_fatigue_is_recovered_and_shared(learner):
    """Of two arms that are alike but for how often they were seen, the fresh one is better, by as much as
    is true; and the policy prefers it."""
    policy = fitted(learner)
    context = np.array([[1.0, 0.0, 4.0, 4.0, 0.0, 4.0, 4.0]])
    expected = policy.expected_rewards(context)[0]
    assert expected[2] == pytest.approx(0.5, abs=0.1)
    assert expected[[0, 1, 3, 4]] == pytest.approx(0.1, abs=0.1)
    weights = policy.weights(context)[0]
    assert weights[2] == weights.max() > 0.5


@pytest.mark.parametrize("learner", LEARNT, ids=named)
def test_weights_of_a_context_do_not_depend_on_the_others(learner):
    policy, (contexts, _, _) = fitted(learner), logs(1)
    whole = policy.weights(contexts[:300])
    for at in (0, 7, 299):
        assert (policy.weights(contexts[at : at + 1]) == whole[at]).all()


@pytest.mark.parametrize("learner", LEARNT, ids=named)
def test_a_policy_that_was_stored_weighs_alike(learner):
    policy, (contexts, _, _) = fitted(learner), logs(1)
    again = type(policy).from_arrays(policy.arrays())
    assert (again.weights(contexts[:50]) == policy.weights(contexts[:50])).all()


def test_a_policy_of_whole_contexts_is_stored_as_before():
    contexts, arms, rewards = logs()
    learner = EpsilonGreedy(estimator="ridge")
    state = learner.initial(N_ARMS, 7).update(contexts, arms, rewards)
    assert "beside" not in learner.fit(state, Arms(KEYS, KINDS), seed=1).arrays()


def test_shared_coefficients_are_those_of_a_ridge_on_the_same_columns():
    """Beside scikit-learn: the products of what is known of an arm and what is beside it, as columns."""
    contexts, arms, rewards = logs()
    beside = BESIDE(contexts, arms)
    columns = (KINDS[arms][:, :, None] * beside[:, None, :]).reshape(N, -1)
    ridge = Ridge(alpha=2.0, fit_intercept=False).fit(columns, rewards)
    learner = LinearThompson(pooling="shared", ridge=2.0, draws=1)
    policy = learner.fit(learner.initial(N_ARMS, 3).update(beside, arms, rewards), ARMS, seed=0)
    asked = contexts[:20]
    for arm in range(N_ARMS):
        own = BESIDE(asked, np.full(20, arm))
        wanted = ridge.predict((KINDS[arm][None, :, None] * own[:, None, :]).reshape(20, -1))
        np.testing.assert_allclose(policy.expected_rewards(asked)[:, arm], wanted, atol=1e-9)


@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_learners_that_look_at_no_context_look_at_none(kind):
    policy = fitted(LEARNERS[kind]())
    assert policy.weights(logs()[0][:3]).shape == (3, N_ARMS)
