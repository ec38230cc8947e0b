"""What every estimator promises; a new one joins by being in ESTIMATORS.

The expectations are exact: a small world is written out row by row, each row with its probability."""

from itertools import product

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import ESTIMATORS, dr, ips, snips
from nightslate.core.estimators.sample import Sample

every_estimator = pytest.mark.parametrize("terms", list(ESTIMATORS.values()), ids=list(ESTIMATORS))

CONTEXT = np.array([0.3, 0.7])
LOGGING = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
TARGET = np.array([[0.2, 0.8, 0.0], [0.6, 0.3, 0.1]])
SUCCESS = np.array([[0.1, 0.4, 0.9], [0.7, 0.2, 0.5]])
TRUTH = float((CONTEXT[:, None] * TARGET * SUCCESS).sum())
WRONG_MODEL = np.array([[0.9, 0.0, -2.0], [0.3, 0.8, 0.1]])


def world(model, propensities=LOGGING):
    """Every (context, arm, reward) once: its probability under the logging policy, and the sample of all."""
    rows = np.array(list(product(range(2), range(3), range(2))))
    context, arm, reward = rows.T
    success = SUCCESS[context, arm]
    probability = CONTEXT[context] * LOGGING[context, arm] * np.where(reward == 1, success, 1 - success)
    sample = Sample(
        reward=reward.astype(float),
        propensity=propensities[context, arm],
        target_propensity=TARGET[context, arm],
        q_logged=model[context, arm],
        v_target=(TARGET * model).sum(axis=1)[context],
    )
    return probability, sample


def ratio(terms, sample, probability=None):
    probability = np.ones(sample.reward.size) if probability is None else probability
    numerator, denominator = terms(sample)
    return float(probability @ numerator / (probability @ denominator))


def random_sample(rows=200, **fixed):
    generator = np.random.default_rng(3)
    drawn = {
        "reward": generator.normal(size=rows),
        "propensity": generator.uniform(0.05, 1, rows),
        "target_propensity": generator.uniform(0, 1, rows),
        "q_logged": generator.normal(size=rows),
        "v_target": generator.normal(size=rows),
    }
    return Sample(**{**drawn, **fixed})


def test_weights_are_1_in_expectation():
    probability, sample = world(WRONG_MODEL)
    assert probability.sum() == pytest.approx(1)
    assert probability @ sample.weight == pytest.approx(1, abs=1e-14)


@every_estimator
@pytest.mark.parametrize("model", [np.zeros((2, 3)), WRONG_MODEL, SUCCESS], ids=["none", "wrong", "right"])
def test_right_propensities_give_the_true_value_whatever_the_model(terms, model):
    probability, sample = world(model)
    assert ratio(terms, sample, probability) == pytest.approx(TRUTH, abs=1e-14)


def test_a_right_model_saves_dr_from_wrong_propensities():
    probability, sample = world(SUCCESS, propensities=np.full((2, 3), 1 / 3))
    assert ratio(dr.terms, sample, probability) == pytest.approx(TRUTH, abs=1e-14)
    assert ratio(ips.terms, sample, probability) != pytest.approx(TRUTH, abs=0.01)


@every_estimator
def test_the_logging_policy_on_its_own_logs_has_its_mean_reward(terms):
    sample = random_sample()
    onpolicy = random_sample(target_propensity=sample.propensity, v_target=sample.q_logged)
    assert ratio(terms, onpolicy) == pytest.approx(onpolicy.reward.mean())


@every_estimator
def test_terms_are_one_finite_pair_a_row_and_rows_stand_alone(terms):
    sample = random_sample()
    both = np.array(terms(sample))
    assert both.shape == (2, 200)
    assert np.isfinite(both).all()
    fields = ("reward", "propensity", "target_propensity", "q_logged", "v_target")
    half = Sample(**{name: getattr(sample, name)[:100] for name in fields})
    np.testing.assert_array_equal(np.array(terms(half)), both[:, :100])
    none = Sample(**{name: getattr(sample, name)[:0] for name in fields})
    assert np.array(terms(none)).shape == (2, 0)


@every_estimator
def test_values_scale_with_rewards(terms):
    sample = random_sample()
    scaled = random_sample(
        reward=5 * sample.reward, q_logged=5 * sample.q_logged, v_target=5 * sample.v_target
    )
    assert ratio(terms, scaled) == pytest.approx(5 * ratio(terms, sample))


def test_snips_moves_with_the_rewards():
    sample = random_sample()
    moved = random_sample(reward=sample.reward + 10)
    assert ratio(snips.terms, moved) == pytest.approx(ratio(snips.terms, sample) + 10)
    assert ratio(ips.terms, moved) != pytest.approx(ratio(ips.terms, sample) + 10, abs=0.1)


def test_dr_with_a_model_of_nothing_is_ips():
    sample = random_sample(q_logged=np.zeros(200), v_target=np.zeros(200))
    np.testing.assert_array_equal(dr.terms(sample), ips.terms(sample))


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0000001, np.nan, np.inf, -np.inf])
def test_a_propensity_that_is_none_is_never_read_as_one(bad):
    propensity = np.full(200, 0.5)
    propensity[[3, 8]] = bad
    with pytest.raises(InvalidInputError, match="propensity has 2 of 200 values"):
        random_sample(propensity=propensity)


@pytest.mark.parametrize("field", ["reward", "target_propensity", "q_logged", "v_target"])
def test_every_other_field_must_be_finite_and_as_long(field):
    values = np.full(200, 0.5)
    values[5] = np.nan
    with pytest.raises(InvalidInputError, match=f"{field} has 1 of 200 values"):
        random_sample(**{field: values})
    with pytest.raises(InvalidInputError, match=f"{field} must have shape"):
        random_sample(**{field: np.zeros(199)})


def test_a_target_may_never_show_an_arm_but_not_more_than_always():
    assert random_sample(target_propensity=np.zeros(200)).weight.sum() == 0
    with pytest.raises(InvalidInputError, match=r"not in \[0, 1\]"):
        random_sample(target_propensity=np.full(200, 1.01))
