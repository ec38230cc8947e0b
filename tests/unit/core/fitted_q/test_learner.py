import io
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.fitted_q.worlds import ARMS, KEYS, PLAIN, noisy
from threadpoolctl import threadpool_limits

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q import FittedQ, FittedQPolicy, Transitions, choosing
from nightslate.core.policies.learner import Arms, Policy, RewardModel
from nightslate.core.policies.sklearn_models import ESTIMATORS

REGRESSORS = [name for name in ESTIMATORS if name == "ridge" or name.endswith("regressor")]
SMALL = {
    "ridge": {},
    "hist_gradient_boosting_regressor": {"max_iter": 3},
    "random_forest_regressor": {"n_estimators": 3, "min_samples_leaf": 5},
    "extra_trees_regressor": {"n_estimators": 3, "min_samples_leaf": 5},
    "mlp_regressor": {"hidden_layer_sizes": (8,), "max_iter": 5},
}


def assert_same(left, right):
    assert left.arrays().keys() == right.arrays().keys()
    for name, array in left.arrays().items():
        np.testing.assert_array_equal(array, right.arrays()[name], err_msg=name)


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("settings", [{}, {"double": True}, {"ensemble": 2}, {"double": True, "ensemble": 2}])
def test_neither_the_order_of_rows_nor_that_of_arms_has_a_say(estimator, settings):
    learner = FittedQ(estimator, SMALL[estimator], iterations=3, **settings)
    described = np.column_stack([np.ones(ARMS), [0.5, -1.0, 2.0]])
    crossed = np.ones((3, 2), dtype=np.bool_)
    rows, policy = noisy(), learner.fit(noisy(), Arms(KEYS, described, crossed), seed=2**64 - 1)
    order, places = np.random.default_rng(9).permutation(len(rows.rewards)), np.array([2, 0, 1])
    turned = replace(
        rows, actions=np.argsort(places)[rows.actions], next_eligible=rows.next_eligible[:, places]
    ).take(order)
    again = learner.fit(turned, Arms(KEYS[places], described[places], crossed), seed=2**64 - 1)
    np.testing.assert_array_equal(again.models, policy.models)
    np.testing.assert_array_equal(again.curve, policy.curve)
    np.testing.assert_array_equal(
        again.action_values(rows.states), policy.action_values(rows.states)[:, places]
    )


def test_chunks_have_no_say(monkeypatch):
    learner = FittedQ("extra_trees_regressor", SMALL["extra_trees_regressor"], iterations=3, double=True)
    whole = learner.fit(noisy(), PLAIN, seed=3)
    values = whole.action_values(noisy().states)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * ARMS * 20)
    assert_same(learner.fit(noisy(), PLAIN, seed=3), whole)
    np.testing.assert_array_equal(whole.action_values(noisy().states), values)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_a_state_has_the_same_weights_to_the_last_bit_whatever_others_there_are(estimator):
    """Of so many features, what BLAS does with three rows is not what it does with four."""
    learner = FittedQ(estimator, SMALL[estimator], iterations=2, choose="softmax", temperature=0.3)
    rows, generator = noisy(), np.random.default_rng(4)
    more = generator.normal(size=(2, len(rows.rewards), 40))
    more[1][rows.terminal] = 0.0
    wide = {
        "states": np.hstack([rows.states, more[0]]),
        "next_states": np.hstack([rows.next_states, more[1]]),
    }
    policy, states = learner.fit(replace(rows, **wide), PLAIN, seed=3), wide["states"][:130]
    with threadpool_limits(limits=1):
        whole = policy.weights(states)
        for size in (1, 2, 7, 64, 100):
            parts = [policy.weights(states[at : at + size]) for at in range(0, len(states), size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes(), size


def test_the_seed_is_used():
    learner = FittedQ("extra_trees_regressor", SMALL["extra_trees_regressor"], iterations=2)
    one, other = (learner.fit(noisy(), PLAIN, seed).action_values(noisy().states) for seed in (1, 2))
    assert not np.allclose(one, other)


@pytest.mark.parametrize("settings", [{}, {"double": True, "ensemble": 2}])
def test_without_rows_nothing_is_expected_and_nothing_preferred(settings):
    nothing = noisy().take(np.zeros(0, dtype=np.int64))
    for choose in ("greedy", "epsilon_greedy", "softmax"):
        policy = FittedQ("extra_trees_regressor", choose=choose, **settings).fit(nothing, PLAIN, seed=3)
        np.testing.assert_array_equal(policy.action_values(noisy().states), 0)
        np.testing.assert_allclose(policy.weights(noisy().states), 1 / ARMS)
    assert_same(FittedQPolicy.from_arrays(policy.arrays()), policy)


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("reward", [0.0, -2.0])
def test_where_all_rewards_are_the_same_they_are_expected(estimator, reward):
    ends = noisy().take(noisy().terminal)
    policy = FittedQ(estimator).fit(replace(ends, rewards=np.full(len(ends.rewards), reward)), PLAIN, seed=3)
    np.testing.assert_array_equal(policy.action_values(ends.states), reward)
    np.testing.assert_allclose(policy.weights(ends.states), 1 / ARMS)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_policies_travel_as_plain_arrays(estimator):
    policy = FittedQ(estimator, SMALL[estimator], iterations=2, ensemble=2).fit(noisy(), PLAIN, seed=3)
    file = io.BytesIO()
    np.savez(file, **policy.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        again = FittedQ.policy_type.from_arrays(dict(loaded))
    assert_same(again, policy)
    np.testing.assert_array_equal(again.action_values(noisy().states), policy.action_values(noisy().states))
    assert isinstance(policy, Policy)
    assert isinstance(policy, RewardModel)


@pytest.mark.parametrize(
    "settings",
    [
        {"choose": "greedy"},
        {"choose": "epsilon_greedy", "epsilon": 0.3},
        {"choose": "softmax", "temperature": 0.5},
    ],
)
def test_it_chooses_by_its_action_values(settings):
    policy = FittedQ("ridge", **settings).fit(noisy(), PLAIN, seed=3)
    states = noisy().states
    values = policy.action_values(states)
    np.testing.assert_array_equal(policy.expected_rewards(states), values)
    np.testing.assert_array_equal(policy.weights(states), choosing(values, **settings))
    alone = np.vstack([policy.weights(states[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, policy.weights(states)[:20], rtol=1e-12)
    assert policy.weights(np.empty((0, 3))).shape == (0, ARMS)
    with pytest.raises(InvalidInputError, match="contexts must have shape"):
        policy.weights(states[:, 1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": "svc"}, "estimator must be one of ridge"),
        ({"estimator": "random_forest_classifier"}, "must be a regressor, got random_forest_classifier"),
        ({"estimator": "logistic_regression"}, "must be a regressor, got logistic_regression"),
        ({"estimator": "ridge", "parameters": {"alfa": 1}}, "ridge has alfa; it takes alpha"),
        ({"parameters": {"n_jobs": 2}}, "has n_jobs; it takes"),
        ({"discount": 1.01}, "discount"),
        ({"discount": float("nan")}, "discount"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"ensemble": 0}, "ensemble must be at least 1"),
        ({"tolerance": -1e-9}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"choose": "best"}, "choose"),
        ({"epsilon": -0.1}, "epsilon"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        FittedQ(**{"estimator": "extra_trees_regressor", **settings})


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match="transitions of 3 arms can't be fitted to 2 arms"):
        FittedQ("extra_trees_regressor").fit(noisy(), Arms.plain(KEYS[1:]), seed=3)
    with pytest.raises(InvalidInputError, match=r"ExtraTreesRegressor can't be fitted: .*'criterion'"):
        FittedQ("extra_trees_regressor", {"criterion": "no such"}).fit(noisy(), PLAIN, seed=3)
    with pytest.raises(InvalidInputError, match="is made of"):
        FittedQPolicy.from_arrays({"other": KEYS})


def test_parameters_may_be_a_mapping_or_pairs_and_settings_are_values():
    learner = FittedQ("ridge", {"solver": "svd", "alpha": 2})
    assert learner.parameters == (("alpha", 2), ("solver", "svd"))
    assert learner == FittedQ("ridge", learner.parameters)
    assert (FittedQ.kind, FittedQ.forgetting) == ("fitted_q", 1.0)
    assert hash(learner) != hash(FittedQ("extra_trees_regressor"))


def test_a_network_finds_action_values_that_no_sum_of_columns_says():
    """The arm of the state's parity earns; which state follows is up to the arm, and then it is over."""
    generator, rows = np.random.default_rng(2), 3000
    at, arm, last = (
        generator.integers(0, 5, rows),
        generator.integers(0, ARMS, rows),
        generator.random(rows) < 0.5,
    )
    pays = ((np.arange(5)[:, None] - np.arange(ARMS)) % 2 == 0) * np.linspace(1, 3, 5)[:, None]
    after = (np.arange(5)[:, None] + np.arange(ARMS) + 1) % 5
    truth = np.stack([pays + pays.max(axis=1)[after], pays])  # by whether it is the last decision

    def vectors(at, last):
        return np.column_stack([np.ones(len(at)), at, last])

    transitions = Transitions(
        states=vectors(at, last),
        actions=arm,
        rewards=pays[at, arm] + generator.normal(0, 0.5, rows),
        next_states=np.where(last[:, None], 0.0, vectors(after[at, arm], np.ones(rows))),
        next_eligible=np.repeat(~last[:, None], ARMS, axis=1),
        terminal=last,
    )
    every = vectors(np.tile(np.arange(5), 2), np.repeat([0, 1], 5))

    def error(estimator, **parameters):
        policy = FittedQ(estimator, parameters, iterations=3).fit(transitions, PLAIN, seed=1)
        return np.sqrt(np.mean((policy.action_values(every) - truth.reshape(-1, ARMS)) ** 2))

    assert error("ridge") > 1.0
    assert error("mlp_regressor", hidden_layer_sizes=(64, 64), learning_rate_init=0.01) < 0.3
