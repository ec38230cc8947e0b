"""What every estimator promises; a new one joins by being in ESTIMATORS.

Expectations are exact: a small world is written out row by row, each row with its probability."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.unit.core.ope.worlds import (
    ROWS,
    SLOTS,
    Bandit,
    Slates,
    cascading,
    draw,
    entangled,
    expectation,
    position_wise,
)

from nightslate.core.ope import BANDIT_ESTIMATORS, ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.ope.sample import Sample

every_estimator = pytest.mark.parametrize("name", list(ESTIMATORS))
every_bandit = pytest.mark.parametrize("name", list(BANDIT_ESTIMATORS))
every_slate = pytest.mark.parametrize("name", list(SLATE_ESTIMATORS))

NEED_MORE = {"dm": "a right model", "replay": "a uniform logging policy"}


def value(name, sample, tuning=np.inf):
    return expectation(ESTIMATORS[name], sample, np.ones(sample.n), tuning)


def test_the_worlds_are_sound():
    probability, sample = Bandit().rows()
    assert probability.sum() == pytest.approx(1, abs=1e-14)
    assert probability @ sample.weight == pytest.approx(1, abs=1e-14)
    for slots in (2, 3):
        slates = Slates(cascading, slots)
        assert slates.probability.sum() == pytest.approx(1, abs=1e-14)
        assert slates.probability @ slates.sample(slates.right_model).weight == pytest.approx(1, abs=1e-14)


@every_bandit
@pytest.mark.parametrize(
    "model", [np.zeros((2, 3)), Bandit.WRONG, Bandit.SUCCESS], ids=["no", "wrong", "right"]
)
def test_right_propensities_give_the_true_value_whatever_the_model(name, model):
    world = Bandit()
    error = expectation(ESTIMATORS[name], *reversed(world.rows(model))) - world.truth
    if name not in NEED_MORE:
        assert error == pytest.approx(0, abs=1e-14)
    elif name == "dm":
        assert (abs(error) < 1e-14) == (model is Bandit.SUCCESS)
    else:
        assert abs(error) > 0.01


@every_bandit
def test_a_right_model_saves_what_corrects_a_model(name):
    world = Bandit()
    probability, sample = world.rows(Bandit.SUCCESS, believed=np.full((2, 3), 1 / 3))
    sample = replace(sample, q_logged_mrdr=sample.q_logged, v_target_mrdr=sample.v_target)
    for tuning in {0.5, *ESTIMATORS[name].tunings}:
        error = expectation(ESTIMATORS[name], sample, probability, tuning) - world.truth
        corrects = name in ("dm", "dr", "mrdr", "sndr", "switch_dr", "dros")
        assert (abs(error) < 1e-14) == corrects


def test_replay_of_uniform_logs_is_exact():
    world = Bandit(logging=np.full((2, 3), 1 / 3))
    assert expectation(ESTIMATORS["replay"], *reversed(world.rows())) == pytest.approx(world.truth, abs=1e-14)


def test_mips_is_exact_only_where_equal_features_mean_equal_rewards():
    world = Bandit(success=np.array([[0.1, 0.4, 0.9], [0.7, 0.2, 0.5]]))
    rows = world.rows()
    assert expectation(ESTIMATORS["ips"], *reversed(rows)) == pytest.approx(world.truth, abs=1e-14)
    assert abs(expectation(ESTIMATORS["mips"], *reversed(rows)) - world.truth) > 0.01


@every_slate
@pytest.mark.parametrize("slots", [2, 3])
@pytest.mark.parametrize("success", [position_wise, cascading, entangled])
def test_slates_are_exact_under_their_assumption_and_only_there(name, success, slots):
    world = Slates(success, slots)
    sample = world.sample(lambda context, first: np.sin(1 + context + 3 * first[-1] + len(first)))
    assumes = {
        position_wise: {"iips", "sniips", "pseudo_inverse"},
        cascading: {"rips", "snrips", "cascade_dr"},
    }
    exact = {"sips", "snsips"}
    if success is not entangled:
        exact |= assumes[cascading]
    if success is position_wise:
        exact |= assumes[position_wise]
    error = expectation(ESTIMATORS[name], sample, world.probability) - world.truth
    assert (abs(error) < 1e-13) == (name in exact)
    assert abs(error) < 1e-13 or abs(error) > 1e-3


def test_a_right_model_saves_cascade_dr_from_wrong_propensities():
    world = Slates(cascading)
    sample = world.sample(world.right_model, believed=np.full(world.logged.shape, 0.5))
    for name, exact in (("cascade_dr", True), ("rips", False)):
        error = expectation(ESTIMATORS[name], sample, world.probability) - world.truth
        assert (abs(error) < 1e-13) == exact


def test_cascade_dr_with_a_model_of_nothing_is_rips():
    sample = draw("rips")
    nothing = replace(sample, q_logged=0 * sample.reward, v_target=0 * sample.reward)
    assert value("cascade_dr", nothing) == pytest.approx(value("rips", sample))


@every_estimator
def test_the_logging_policy_on_its_own_logs_has_its_mean_reward(name):
    sample = draw(name)
    same = {
        "propensity": np.full(sample.reward.shape, 0.3),
        "target_propensity": np.full(sample.reward.shape, 0.3),
        "target_marginal_propensity": getattr(sample, "marginal_propensity", None),
        "v_target": sample.q_logged,
        "v_target_mrdr": getattr(sample, "q_logged_mrdr", None),
        "pseudo_inverse_weight": np.ones(sample.n),
    }
    if name in ("dm", "fqe"):  # a right model
        same["v_target"] = (
            np.cumsum(sample.reward.T[::-1], axis=0)[::-1].T if name == "fqe" else sample.reward
        )
    onpolicy = replace(sample, **{field: same[field] for field in same.keys() & vars(sample).keys()})
    assert value(name, onpolicy) == pytest.approx(onpolicy.reward.sum() / sample.n)


@every_estimator
def test_terms_are_finite_pairs_of_each_row_that_stands_alone(name):
    estimator, sample = ESTIMATORS[name], draw(name)
    for tuning in {0.7, *estimator.tunings}:
        pairs = np.array(estimator.terms(sample, tuning))
        assert pairs.shape == (estimator.pairs(SLOTS), 2, ROWS)
        assert pairs.dtype == np.float64
        assert np.isfinite(pairs).all()
        part = np.array(estimator.terms(sample.take(np.arange(20, 50)), tuning))
        np.testing.assert_allclose(part, pairs[:, :, 20:50], rtol=1e-14)
        assert estimator.counts == bool((pairs[:, 1] == 1).all())
        assert np.array(estimator.terms(sample.take(slice(0, 0)), tuning)).shape == (*pairs.shape[:2], 0)


@every_estimator
def test_an_estimator_reads_what_it_says_it_needs_and_nothing_else(name):
    sample, needs = draw(name), ESTIMATORS[name].needs
    optional = [field.name for field in fields(sample) if field.default is None]
    bare = replace(sample, **{field: None for field in optional if field not in needs})
    assert needs <= bare.fields
    assert value(name, bare) == value(name, sample)


@every_estimator
def test_values_scale_with_rewards(name):
    sample = draw(name)
    models = ("reward", "q_logged", "v_target", "q_logged_mrdr", "v_target_mrdr")
    scaled = replace(
        sample, **{field: 5 * getattr(sample, field) for field in models if hasattr(sample, field)}
    )
    assert value(name, scaled) == pytest.approx(5 * value(name, sample))


@every_estimator
def test_self_normalised_values_move_with_rewards(name):
    sample = draw(name)
    moved = value(name, replace(sample, reward=sample.reward + 10)) - value(name, sample)
    slots = sample.reward.size / ROWS
    normalised = name in ("replay", "snips", "sndr", "snsips", "sniips", "snrips", "sntis", "snpdis")
    assert (moved == pytest.approx(10 * slots, abs=1e-9)) == normalised


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, 20, elements=st.floats(-100, 100)),
    arrays(np.float64, 20, elements=st.floats(0.001, 1)),
    arrays(np.float64, 20, elements=st.floats(0.001, 1)),
    st.floats(-1000, 1000),
)
def test_snips_moves_with_rewards_whatever_they_are(reward, propensity, target, constant):
    sample = Sample(reward, propensity, target)
    moved = replace(sample, reward=reward + constant)
    assert value("snips", moved) == pytest.approx(value("snips", sample) + constant, rel=1e-9, abs=1e-9)


probabilities = arrays(np.float64, (2, 3), elements=st.floats(0.01, 1)).map(
    lambda weights: weights / weights.sum(axis=1, keepdims=True)
)


@settings(max_examples=50, deadline=None)
@given(probabilities, probabilities, arrays(np.float64, (2, 3), elements=st.floats(0, 1)))
def test_ips_and_dr_are_unbiased_whatever_the_policies_and_rewards(logging, target, success):
    world = Bandit(logging, target, success)
    for name in ("ips", "snips", "dr", "sndr", "mrdr"):
        assert expectation(ESTIMATORS[name], *reversed(world.rows())) == pytest.approx(world.truth, abs=1e-11)


@pytest.mark.parametrize("name", ["dr", "mrdr", "switch_dr", "dros"])
def test_a_model_without_error_or_without_weight_is_the_direct_method(name):
    sample = draw(name)
    sample = replace(sample, q_logged_mrdr=sample.q_logged, v_target_mrdr=sample.v_target)
    right = replace(sample, reward=sample.q_logged)
    unweighted = replace(sample, target_propensity=np.zeros(ROWS))
    for case in (right, unweighted):
        assert value(name, case, 4.0) == pytest.approx(value("dm", case))


@pytest.mark.parametrize(("name", "limit"), [("clipped_ips", "ips"), ("switch_dr", "dr"), ("dros", "dr")])
def test_tuning_goes_from_the_unbiased_estimator_to_the_other_end(name, limit):
    sample = draw(name)
    assert ESTIMATORS[name].tunings[0] == np.inf
    assert value(name, sample) == pytest.approx(value(limit, sample))
    assert value(name, sample, 1e15) == pytest.approx(value(limit, sample), rel=1e-9)
    end = 0.0 if name == "clipped_ips" else value("dm", sample)
    assert value(name, sample, 1e-12) == pytest.approx(end, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clipped_ips", [0.5, 1.0, 4.0, 4.0]),
        ("switch_dr", [0.5, 1.0, 4.0, 0.0]),
        ("dros", [2 / 4.25, 4 / 5, 16 / 20, 20 / 29]),
    ],
)
def test_what_a_tuning_parameter_of_4_makes_of_weights(name, expected):
    nothing = np.zeros(4)
    weights = np.array([0.5, 1.0, 4.0, 5.0])
    sample = Sample(np.ones(4), np.full(4, 0.2), 0.2 * weights, q_logged=nothing, v_target=nothing)
    ((numerator, _),) = ESTIMATORS[name].terms(sample, 4.0)
    np.testing.assert_allclose(numerator, expected)
