import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import TRAJECTORY_ESTIMATORS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample

TRAJECTORY, STEP = np.array([1, 0, 1, 0, 1]), np.array([2, 1, 1, 2, 3])
COLUMNS = {
    "reward": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    "propensity": np.array([0.1, 0.2, 0.3, 0.4, 0.5]),
    "target_propensity": np.array([0.2, 0.2, 0.2, 0.2, 0.2]),
    "q_logged": np.array([8.0, 8.0, 8.0, 8.0, 8.0]),
    "v_target": np.array([4.0, 4.0, 4.0, 4.0, 4.0]),
}


def long(ratios):
    """A trajectory for each row of ratios of target and logged propensity."""
    ratios = np.atleast_2d(ratios)
    reward = np.ones_like(ratios)
    return TrajectorySample(reward, np.minimum(1, 1 / ratios), np.minimum(1, ratios))


def test_rows_find_their_trajectory_and_step_and_are_discounted():
    sample = TrajectorySample.of_rows(TRAJECTORY, STEP, COLUMNS, 4, 0.5)
    np.testing.assert_array_equal(sample.reward, [[2, 2, 0, 0], [3, 0.5, 1.25, 0]])
    np.testing.assert_array_equal(sample.q_logged, [[8, 4, 0, 0], [8, 4, 2, 0]])
    np.testing.assert_array_equal(sample.v_target, [[4, 2, 0, 0], [4, 2, 1, 0]])
    np.testing.assert_array_equal(sample.propensity, [[0.2, 0.4, 1, 1], [0.3, 0.1, 0.5, 1]])
    np.testing.assert_allclose(sample.cumulative_weight[0], [1, 0.5, 0.5, 0.5], rtol=1e-15)
    assert (sample.n, sample.slots, sample.units) == (2, 4, "trajectories")


@pytest.mark.parametrize("discount", [0.0, -0.5, 1.01, np.nan])
def test_a_discount_is_in_0_to_1(discount):
    with pytest.raises(InvalidInputError, match=r"a discount must be in \(0, 1\], got"):
        TrajectorySample.of_rows(TRAJECTORY, STEP, COLUMNS, 3, discount)


def test_steps_that_can_not_be_are_refused():
    with pytest.raises(
        InvalidInputError, match="1 of 2 trajectories do not have their steps 1 to k once each"
    ):
        TrajectorySample.of_rows(TRAJECTORY, np.array([2, 1, 1, 3, 3]), COLUMNS, 3)
    with pytest.raises(InvalidInputError, match="step - 1 has 1 of 5 values outside"):
        TrajectorySample.of_rows(TRAJECTORY, STEP, COLUMNS, 2)
    with pytest.raises(InvalidInputError, match=r"must be \(trajectories, steps\)"):
        TrajectorySample(np.zeros((3, 0)), np.ones((3, 0)), np.ones((3, 0)))


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (5, 4), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9])))
def test_effective_samples_by_step_are_those_of_a_loop(target):
    propensity = np.full((5, 4), 0.5)
    sample = TrajectorySample(np.ones((5, 4)), propensity, target)
    for step in range(4):
        weights = [np.prod(row[: step + 1] / 0.5) for row in target]
        expected = sum(weights) ** 2 / sum(w**2 for w in weights) if any(weights) else 0.0
        assert sample.ess_by_step[step] == pytest.approx(expected)


def test_the_logging_policy_leaves_all_samples_effective():
    propensity = np.random.default_rng(1).uniform(0.01, 1, (50, 300))
    sample = TrajectorySample(np.ones((50, 300)), propensity, propensity)
    np.testing.assert_array_equal(sample.cumulative_weight, 1)
    np.testing.assert_allclose(sample.ess_by_step, 50)


def test_a_weight_that_goes_under_what_a_number_can_hold_comes_back():
    """Two hundred ratios of 1/100 and two hundred of 100: 1 in all, by way of 1e-400."""
    sample = long([0.01] * 200 + [100.0] * 200)
    assert sample.cumulative_weight[0, 199] == 0
    assert sample.weight == pytest.approx(1)


def test_effective_samples_of_tiny_weights_are_still_counted():
    assert long([[0.1] * 250, [0.1] * 250]).ess_by_step[-1] == pytest.approx(2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: long([10.0] * 101),
        lambda: long([1e9] * 6),
        lambda: SlateSample(*np.array([[[1.0] * 3], [[1e-200] * 3], [[0.5] * 3]])),
        lambda: Sample(np.ones(2), np.array([0.5, 5e-324]), np.array([0.5, 0.5])),
    ],
)
def test_a_weight_that_is_too_large_for_sums_is_refused(make):
    with pytest.raises(InvalidInputError, match=r"importance weight of .*s, .* is over 1e\+50: no sum"):
        make()


def test_what_nothing_can_be_said_of_is_no_number():
    """The target never does what was logged at the second step: those that divide by its weights have no
    value, and none has one that is no number."""
    target = np.array([[0.5, 0.0], [0.5, 0.0], [0.4, 0.0]])
    given = np.ones((3, 2))
    sample = TrajectorySample(given, given / 2, target, q_logged=given, v_target=given)
    state = EvaluationState.initial(("target",), list(TRAJECTORY_ESTIMATORS), slots=2)
    lines = {line.estimator: line for line in results(state.update([sample], np.arange(3, dtype=np.uint64)))}
    assert {name for name, line in lines.items() if line.value is None} == {"sntis", "snpdis"}
    assert lines["tis"].value == 0
    assert lines["pdis"].value == pytest.approx((1 + 1 + 0.8) / 3)
    assert lines["tis"].ess == sample.ess_by_step[1] == 0
