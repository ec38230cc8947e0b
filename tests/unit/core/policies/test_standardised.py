"""Networks and logistic regression see standardised numbers, and are kept for the numbers as they are."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from nightslate.core.policies.sklearn_models import build, fitted, from_array, to_array

ROWS = 600
NETWORKS = ("mlp_regressor", "mlp_classifier")
SETTINGS = [
    {},
    {"hidden_layer_sizes": 8},
    {"hidden_layer_sizes": (8, 4), "activation": "tanh"},
    {"solver": "lbfgs"},
    {"early_stopping": True},
    {"solver": "sgd", "learning_rate": "adaptive"},
]


def numbers():
    """A constant, two numbers of very different scale, a flag, and a flag that is never up."""
    generator = np.random.default_rng(5)
    flag = (generator.random(ROWS) < 0.2) * 1.0
    columns = np.ones(ROWS), generator.normal(300, 100, ROWS), generator.normal(0, 0.01, ROWS), flag
    return np.column_stack([*columns, np.zeros(ROWS)])


def targets(design):
    """Nothing that a sum of columns says."""
    noise = np.random.default_rng(6).normal(0, 5, len(design))
    return 50 * np.sign((design[:, 1] - 300) * design[:, 2]) + 20 * design[:, 3] + noise


def network(name="mlp_regressor", weights=None, seed=3, scale=1.0, **settings):
    design = numbers()
    target = targets(design) * scale if name == "mlp_regressor" else (targets(design) > 0) * 1.0
    return fitted(build(name, {"max_iter": 40, **settings}, seed), design, target, weights)


def predicted(model, design):
    return model.predict_proba(design) if hasattr(model, "predict_proba") else model.predict(design)


def test_it_is_scikit_learns_network_of_standardised_numbers():
    """Told apart from a pipeline that standardises all columns by the flag, which stays as it is."""
    design = np.delete(numbers(), 3, axis=1)
    target = targets(numbers())
    z = (target - target.mean()) / target.std()
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(max_iter=40, random_state=3)).fit(design, z)
    ours = fitted(build("mlp_regressor", {"max_iter": 40}, 3), design, target, None)
    np.testing.assert_allclose(
        ours.predict(design), target.mean() + target.std() * pipeline.predict(design), rtol=1e-9
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_saved_and_loaded_it_predicts_the_same_bits(name, settings):
    model = network(name, **settings)
    np.testing.assert_array_equal(
        predicted(from_array(to_array(model)), numbers()), predicted(model, numbers())
    )
    np.testing.assert_array_equal(to_array(network(name, **settings)), to_array(model))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_number_of_threads_has_no_say_and_the_seed_has(name):
    models = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            models.append(to_array(network(name)))
    np.testing.assert_array_equal(*models)
    assert not np.allclose(predicted(network(name, seed=4), numbers()), predicted(network(name), numbers()))


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_rewards_has_no_say(unit):
    np.testing.assert_allclose(
        network(scale=unit).predict(numbers()),
        unit * network().predict(numbers()),
        rtol=1e-6,
        atol=1e-6 * unit,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_flag_that_was_never_up_says_nothing(name):
    other = numbers()
    other[:, 4] = 1.0
    np.testing.assert_array_equal(predicted(network(name), other), predicted(network(name), numbers()))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_is_a_number_of_rows(name):
    """Where the descent sees all rows at once; with batches, which rows meet in one is by lot."""
    times = np.random.default_rng(9).integers(0, 4, ROWS)
    settings = {"max_iter": 3, "solver": "lbfgs"}
    weighted = network(name, times.astype(float), **settings)
    design = np.repeat(numbers(), times, axis=0)
    target = targets(numbers()) if name == "mlp_regressor" else (targets(numbers()) > 0) * 1.0
    repeated = fitted(build(name, settings, 3), design, np.repeat(target, times), None)
    np.testing.assert_allclose(predicted(weighted, numbers()), predicted(repeated, numbers()), rtol=1e-6)


def clicks(design):
    logit = (design[:, 1] - 300) / 100 + 60 * design[:, 2] + design[:, 3]
    return (np.random.default_rng(7).random(len(design)) < 1 / (1 + np.exp(-logit))) * 1.0


@pytest.mark.parametrize("weights", [None, np.random.default_rng(8).uniform(0.5, 2.0, ROWS)])
def test_it_is_scikit_learns_logistic_regression_of_standardised_numbers(weights):
    """Without the flag, which stays as it is, and columns that do not vary, which say nothing."""
    design = numbers()[:, 1:3]
    ours = fitted(build("logistic_regression", {"tol": 1e-10}, 3), design, clicks(numbers()), weights)
    scaler = StandardScaler().fit(design, sample_weight=weights)
    theirs = LogisticRegression(tol=1e-10).fit(scaler.transform(design), clicks(numbers()), weights)
    np.testing.assert_allclose(
        ours.predict_proba(design), theirs.predict_proba(scaler.transform(design)), rtol=1e-6
    )


@pytest.mark.parametrize("settings", [{}, {"fit_intercept": False}], ids=str)
@pytest.mark.parametrize("unit", [1e-6, 86_400_000.0])
def test_the_unit_of_a_column_has_no_say_in_a_logistic_regression(unit, settings):
    design, other = numbers(), numbers()
    other[:, 1] *= unit
    model, scaled = (
        fitted(build("logistic_regression", settings, 3), each, clicks(design), None)
        for each in (design, other)
    )
    np.testing.assert_allclose(scaled.predict_proba(other), model.predict_proba(design), rtol=1e-4)
    saved = from_array(to_array(model))
    np.testing.assert_array_equal(saved.predict_proba(design), model.predict_proba(design))


def test_without_an_intercept_a_constant_column_is_one():
    design = numbers()[:, :4]
    with_column = fitted(
        build("logistic_regression", {"fit_intercept": False, "C": 1e6}, 3), design, clicks(design), None
    )
    with_intercept = fitted(build("logistic_regression", {"C": 1e6}, 3), design, clicks(design), None)
    np.testing.assert_allclose(
        with_column.predict_proba(design), with_intercept.predict_proba(design), rtol=1e-2
    )
    assert with_column.intercept_ == 0.0
