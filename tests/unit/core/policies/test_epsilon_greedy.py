from typing import get_args

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.epsilon_greedy import EpsilonGreedy
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.sklearn_models import ESTIMATORS
from nightslate.programs.learners import EpsilonGreedyLearner, LogisticThompsonLearner, LogisticUCBLearner

ARMS, FEATURES, ROWS = 3, 2, 300
KEYS = [30, 10, 20]
PLAIN = Arms.plain(KEYS)
SMALL = {
    "ridge": {},
    "logistic_regression": {},
    **{f"hist_gradient_boosting_{kind}": {"max_iter": 5} for kind in ("regressor", "classifier")},
    **{
        f"{forest}_{kind}": {"n_estimators": 5, "min_samples_leaf": 10}
        for forest in ("random_forest", "extra_trees")
        for kind in ("regressor", "classifier")
    },
    **{f"mlp_{kind}": {"max_iter": 5, "hidden_layer_sizes": (4, 3)} for kind in ("regressor", "classifier")},
}


def logs(rows=ROWS):
    generator = np.random.default_rng(3)
    contexts = np.column_stack([np.ones(rows), generator.normal(size=rows)])
    arms = generator.integers(0, ARMS, rows)
    return contexts, arms, (generator.random(rows) < 0.1 + 0.3 * arms) * 1.0


def fitted(learner, logged, arms=PLAIN, seed=0):
    return learner.fit(learner.initial(ARMS, FEATURES).update(*logged), arms, seed)


def test_the_best_arm_has_all_but_epsilon():
    contexts, arms, rewards = logs()
    policy = fitted(EpsilonGreedy(estimator="ridge", epsilon=0.3), (contexts, arms, rewards))
    np.testing.assert_allclose(policy.weights(contexts), np.tile([0.1, 0.1, 0.8], (ROWS, 1)), rtol=1e-12)


def test_arms_that_tie_share_evenly():
    """Arms 0 and 2 have had the same rows; ridge gives them the same coefficient."""
    contexts = np.tile([[1.0, 0.5], [1.0, -0.5]], (3, 1))
    logged = contexts, np.repeat([0, 1, 2], 2), np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    weights = fitted(EpsilonGreedy(estimator="ridge", epsilon=0.3), logged).weights(contexts)
    np.testing.assert_allclose(weights, np.tile([0.45, 0.1, 0.45], (6, 1)), rtol=1e-12)


def test_without_rows_nothing_is_expected_and_nothing_preferred():
    nothing = np.zeros((0, FEATURES)), np.zeros(0, dtype=np.int64), np.zeros(0)
    policy = fitted(EpsilonGreedy(), nothing)
    np.testing.assert_array_equal(policy.expected_rewards(logs()[0]), 0)
    np.testing.assert_allclose(policy.weights(logs()[0]), 1 / ARMS)
    weightless = *logs(), np.zeros(ROWS)
    np.testing.assert_allclose(fitted(EpsilonGreedy(), weightless).weights(logs()[0]), 1 / ARMS)


def test_ridge_sees_the_context_the_arms_features_and_which_arm_it_is():
    """Against the ridge solution written out, rows weighted; the intercept is not penalised."""
    contexts, arms, rewards = logs()
    weights = np.random.default_rng(1).random(ROWS)
    described = Arms(PLAIN.keys, np.column_stack([np.ones(ARMS), [0.5, -1.0, 2.0]]))
    learner = EpsilonGreedy(estimator="ridge", parameters={"alpha": 2.0})
    policy = fitted(learner, (contexts, arms, rewards, weights), described)
    np.testing.assert_array_equal(
        policy.columns, [[0.5, 0.0, 0.0, 1.0], [-1.0, 1.0, 0.0, 0.0], [2.0, 0.0, 1.0, 0.0]]
    )
    design = np.column_stack([contexts, described.features[arms, 1:], np.eye(ARMS)[arms], np.ones(ROWS)])
    penalty = 2.0 * np.diag([1.0] * (design.shape[1] - 1) + [0.0])
    b = np.linalg.solve(design.T @ (weights[:, None] * design) + penalty, design.T @ (weights * rewards))
    expected = np.column_stack(
        [
            np.column_stack(
                [
                    contexts,
                    np.tile(
                        np.concatenate([described.features[arm, 1:], np.eye(ARMS)[arm], [1.0]]), (ROWS, 1)
                    ),
                ]
            )
            @ b
            for arm in range(ARMS)
        ]
    )
    np.testing.assert_allclose(policy.expected_rewards(contexts), expected, rtol=0, atol=1e-10)


def test_a_classifier_expects_the_probability_times_the_largest_reward():
    """Fractions of the largest reward are learned as such: the mean of many rows of one arm."""
    rewards = np.tile([0.0, 1.0, 4.0, 1.0], 50)
    contexts = np.column_stack([np.ones(200), np.arange(200.0) % 7])
    logged = contexts, np.zeros(200, np.int64), rewards
    learner = EpsilonGreedy(estimator="logistic_regression", parameters={"C": 1e6})
    expected = fitted(learner, logged).expected_rewards(contexts)[:, 0]
    assert expected.mean() == pytest.approx(1.5, abs=1e-4)
    with pytest.raises(InvalidInputError, match="negative reward"):
        fitted(learner, (contexts, logged[1], rewards - 1))


@pytest.mark.parametrize(
    ("estimator", "reward"),
    [("ridge", -2.0), ("ridge", 0.0), ("logistic_regression", 0.0), ("random_forest_classifier", 3.0)],
)
def test_where_all_rewards_are_the_same_they_are_expected_and_nothing_is_preferred(estimator, reward):
    contexts, arms, _ = logs()
    policy = fitted(EpsilonGreedy(estimator=estimator), (contexts, arms, np.full(ROWS, reward)))
    np.testing.assert_array_equal(policy.expected_rewards(contexts), reward)
    np.testing.assert_allclose(policy.weights(contexts), 1 / ARMS)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fit_is_a_function_of_the_rows_and_the_seed_alone(estimator):
    """Not of the order of rows, of batches or of arms; equal fits are equal bytes, so equal digests."""
    learner = EpsilonGreedy(estimator=estimator, parameters=SMALL[estimator])
    contexts, arms, rewards = logs()
    policy = fitted(learner, (contexts, arms, rewards), seed=2**64 - 1)
    order, places = np.random.default_rng(9).permutation(ROWS), np.array([2, 0, 1])
    state = learner.initial(ARMS, FEATURES)
    for rows in np.array_split(order, 3):
        state = state.update(contexts[rows], np.argsort(places)[arms[rows]], rewards[rows])
    again = learner.fit(state, Arms.plain(np.array(KEYS)[places]), 2**64 - 1)
    np.testing.assert_array_equal(again.model, policy.model)
    np.testing.assert_array_equal(again.weights(contexts), policy.weights(contexts)[:, places])


def test_the_number_of_threads_has_no_say():
    learner = EpsilonGreedy(parameters={"max_iter": 10})
    models = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            models.append(fitted(learner, logs(4000)).model)
    np.testing.assert_array_equal(*models)


def test_the_seed_is_used():
    learner = EpsilonGreedy(estimator="extra_trees_regressor", parameters={"n_estimators": 2})
    one, other = (fitted(learner, logs(), seed=seed).expected_rewards(logs()[0]) for seed in (1, 2))
    assert not np.allclose(one, other)


def test_chunks_of_users_have_no_say(monkeypatch):
    policy, contexts = fitted(EpsilonGreedy(parameters={"max_iter": 5}), logs()), logs()[0]
    whole = policy.expected_rewards(contexts)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * ARMS * (FEATURES + ARMS) * 7)
    np.testing.assert_array_equal(policy.expected_rewards(contexts), whole)


def test_a_sample_counts_for_all_rows():
    """Ridge shrinks by alpha against the weight of all rows, not of those that were kept."""
    contexts, arms, rewards = logs(3000)
    settings = {"estimator": "ridge", "parameters": {"alpha": 300.0}}
    whole = fitted(EpsilonGreedy(**settings), (contexts, arms, rewards)).expected_rewards(contexts)
    part = fitted(EpsilonGreedy(**settings, max_rows=1001), (contexts, arms, rewards))
    np.testing.assert_allclose(part.expected_rewards(contexts), whole, atol=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": "svc"}, "estimator must be one of ridge"),
        ({"estimator": "ridge", "parameters": {"alfa": 1}}, "ridge has alfa; it takes alpha"),
        ({"parameters": {"random_state": 1}}, "has random_state; it takes"),
        ({"parameters": {"n_jobs": 2}, "estimator": "random_forest_regressor"}, "has n_jobs; it takes"),
        ({"parameters": {"max_iter": [1]}}, "max_iter must be a number, a word or nothing"),
        ({"parameters": {"max_iter": (1,)}}, "max_iter must be a number, a word or nothing"),
        *(
            (
                {"estimator": "mlp_regressor", "parameters": {"hidden_layer_sizes": layers}},
                "hidden_layer_sizes must",
            )
            for layers in ((), (0,), (8, 2.5), (True,), [8], "8", None)
        ),
        ({"epsilon": 1.5}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"max_rows": 1}, "max_rows"),
        ({"forgetting": 0.0}, "forgetting"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        EpsilonGreedy(**settings)


def test_what_an_estimator_refuses_says_which_and_why():
    learner = EpsilonGreedy(parameters={"loss": "no such loss"})
    with pytest.raises(InvalidInputError, match=r"HistGradientBoostingRegressor can't be fitted: .*'loss'"):
        fitted(learner, logs())


def test_contexts_of_another_width_are_refused():
    policy = fitted(EpsilonGreedy(estimator="ridge"), logs())
    for call in (policy.weights, policy.expected_rewards):
        with pytest.raises(InvalidInputError, match="contexts must have shape"):
            call(np.ones((2, FEATURES + 1)))


@pytest.mark.parametrize("spec", [EpsilonGreedyLearner, LogisticThompsonLearner, LogisticUCBLearner])
def test_a_program_that_says_nothing_gets_the_learners_own_settings(spec):
    (kind,) = get_args(spec.model_fields["kind"].annotation)
    assert LEARNERS[kind](**spec(kind=kind).model_dump(exclude={"kind", "ignores"})) == LEARNERS[kind]()


def test_a_program_may_name_every_estimator_and_its_parameters():
    assert get_args(EpsilonGreedyLearner.model_fields["estimator"].annotation) == tuple(ESTIMATORS)
    spec = EpsilonGreedyLearner(
        kind="epsilon_greedy", estimator="ridge", parameters={"solver": "svd", "alpha": 2}
    )
    learner = EpsilonGreedy(**spec.model_dump(exclude={"kind", "ignores"}))
    assert learner.parameters == (("alpha", 2), ("solver", "svd"))
    assert learner == EpsilonGreedy(estimator="ridge", parameters=learner.parameters)
    spec = EpsilonGreedyLearner(
        kind="epsilon_greedy", estimator="mlp_classifier", parameters={"hidden_layer_sizes": [8, 4]}
    )
    assert EpsilonGreedy(**spec.model_dump(exclude={"kind", "ignores"})).parameters == (
        ("hidden_layer_sizes", (8, 4)),
    )
    assert hash(learner) != hash(EpsilonGreedy())


@pytest.mark.parametrize(
    ("neural", "linear"), [("mlp_regressor", "ridge"), ("mlp_classifier", "logistic_regression")]
)
def test_a_network_finds_what_no_sum_of_columns_says(neural, linear):
    """Arm 0 is worth .5 to all, arm 1 .9 to the half in the middle and .1 to the others."""
    generator = np.random.default_rng(4)
    age = generator.normal(40.0, 10.0, 4000)
    contexts, arms = np.column_stack([np.ones(age.size), age]), generator.integers(0, 2, age.size)
    truth = np.column_stack([np.full(age.size, 0.5), np.where(np.abs(age - 40) < 6.745, 0.9, 0.1)])
    rewards = (generator.random(age.size) < truth[np.arange(age.size), arms]) * 1.0
    crossed = Arms(PLAIN.keys[:2], np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones((2, 2), dtype=np.bool_))

    def worth(estimator):
        learner = EpsilonGreedy(estimator=estimator, epsilon=0.0)
        policy = learner.fit(learner.initial(2, 2).update(contexts, arms, rewards), crossed, seed=1)
        return (policy.weights(contexts) * truth).sum(axis=1).mean()

    assert worth(linear) < 0.56
    assert worth(neural) > 0.66  # the best is .7
