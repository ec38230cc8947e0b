"""Scores of risk and reward, and whether bins of predicted effects have the effects that were predicted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from nightslate.core.allocation import EffectCalibration, calibration, contextual_score, equal_edges
from nightslate.core.errors import InvalidInputError

USERS, BINS, CONFIDENCE = 20_000, 10, 0.95
EDGES = np.array([-0.5, 0.0, 0.5])


@pytest.fixture(scope="module")
def users():
    """Predictions of effects that are right, doubly robust scores about them, and weights of any size."""
    generator = np.random.default_rng(2)
    predicted = generator.normal(size=USERS)
    return predicted, predicted + generator.normal(0, 3, USERS), generator.gamma(2.0, 1.0, USERS)


def test_a_score_is_benefit_less_harm_less_what_caution_takes():
    benefit, harm = np.array([[1.0, 2.0]]), np.array([[0.5, 0.25]])
    score, se = contextual_score(benefit, np.array([[0.3, 0.0]]), harm, np.array([[0.2, 0.1]]), 2.0, 0.5)
    assert se == pytest.approx(np.array([[0.5, 0.2]]))
    assert score == pytest.approx(np.array([[-0.25, 1.4]]))


@pytest.mark.parametrize("missing", range(4))
def test_a_score_is_missing_where_one_of_its_parts_is(missing):
    parts = [np.ones(3) for _ in range(4)]
    parts[missing][1] = np.nan
    score, _ = contextual_score(*parts, weight=1.0, caution=0.0)
    assert np.isnan(score).tolist() == [False, True, False]


def test_the_standard_error_is_that_of_independent_errors():
    generator = np.random.default_rng(3)
    benefit, harm = generator.normal(1, 0.4, USERS), generator.normal(1, 0.3, USERS)
    score, _ = contextual_score(benefit, np.zeros(USERS), harm, np.zeros(USERS), 1.5, 1.0)
    _, se = contextual_score(np.ones(1), np.array([0.4]), np.ones(1), np.array([0.3]), 1.5, 1.0)
    assert score.std() == pytest.approx(se[0], rel=4 / np.sqrt(2 * USERS))


def test_bins_have_as_many_users_each_and_ties_stay_together(users):
    found = calibration(*users, BINS).bins(CONFIDENCE)
    assert (found.users == USERS / BINS).all()
    assert (np.diff(found.predicted) > 0).all()
    ties = calibration(np.repeat([0.0, 1.0, 2.0], [6, 3, 1]), np.arange(10.0), np.ones(10), 5)
    assert ties.bins(CONFIDENCE).users.tolist() == [6, 4]
    assert equal_edges(np.zeros(5), 4).size == 0
    assert equal_edges(np.empty(0), 4).size == 0
    assert (
        calibration(np.arange(3.0), np.arange(3.0), np.ones(3), 10).bins(CONFIDENCE).users.tolist() == [1] * 3
    )


def test_means_are_weighted_and_intervals_those_of_students_t_where_weights_are_equal(users):
    predicted, effect, weights = users
    place = np.searchsorted(EDGES, predicted, side="right")
    weighted = EffectCalibration.initial(EDGES).update(*users).bins(CONFIDENCE)
    equal = EffectCalibration.initial(EDGES).update(predicted, effect, np.full(USERS, 0.5)).bins(CONFIDENCE)
    for each in range(len(EDGES) + 1):
        own = place == each
        assert weighted.effect[each] == pytest.approx(np.average(effect[own], weights=weights[own]))
        assert weighted.predicted[each] == pytest.approx(np.average(predicted[own], weights=weights[own]))
        interval = ttest_1samp(effect[own], 0).confidence_interval(CONFIDENCE)
        assert (equal.lower[each], equal.upper[each]) == pytest.approx(tuple(interval))


def test_the_interval_of_a_weighted_mean_is_as_wide_as_the_jackknife_says(users):
    predicted, effect, weights = (each[:400] for each in users)
    effect = effect + 5  # the further from 0 it is, the more do weights matter
    found = EffectCalibration.initial(np.empty(0)).update(predicted, effect, weights).bins(CONFIDENCE)
    total, sums = weights.sum(), weights @ effect
    left_out = (sums - weights * effect) / (total - weights)
    error = np.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum())
    assert (found.upper - found.lower)[0] / 2 / 1.966 == pytest.approx(error, rel=0.02)


def test_right_predictions_lie_within_and_wrong_ones_do_not(users):
    predicted, effect, weights = users
    right = calibration(predicted, effect, weights, BINS).bins(CONFIDENCE)
    inside = (right.lower <= right.predicted) & (right.predicted <= right.upper)
    assert inside.sum() >= BINS - 2
    wrong = calibration(2 * predicted, effect, weights, BINS).bins(CONFIDENCE)
    assert not ((wrong.lower <= wrong.predicted) & (wrong.predicted <= wrong.upper))[[0, -1]].any()


@given(st.lists(st.integers(0, 600), max_size=4))
def test_sums_are_the_same_however_users_are_split(cuts):
    generator = np.random.default_rng(4)
    users = generator.normal(size=(600, 2)), generator.random(600)
    state = EffectCalibration.initial(EDGES)
    whole = state.update(*users[0].T, users[1])
    parts = [
        state.update(*values.T, weights)
        for values, weights in zip(*(np.split(each, sorted(cuts)) for each in users), strict=True)
    ]
    merged = parts[-1]
    for part in parts[:-1]:
        merged = merged.merge(part)
    for name, array in whole.users.arrays().items():
        np.testing.assert_allclose(merged.users.arrays()[name], array, rtol=1e-12, atol=1e-12)
    left, right = whole.bins(CONFIDENCE), merged.bins(CONFIDENCE)
    np.testing.assert_allclose(left.lower, right.lower, rtol=1e-9)


def test_a_bin_without_variation_claims_no_certainty():
    edges = np.array([1.0, 2.0, 3.0])
    predicted, effect = np.array([0.0, 0.0, 1.0, 2.0, 2.0]), np.array([0.7, 0.7, 3.0, 0.0, 1.0])
    found = EffectCalibration.initial(edges).update(predicted, effect, np.ones(5)).bins(CONFIDENCE)
    assert np.isnan(found.lower).tolist() == [True, True, False, True]
    assert found.effect[:3] == pytest.approx([0.7, 3.0, 0.5])
    assert np.isnan(found.effect[3])


def test_users_without_a_number_and_other_bins_are_refused():
    state = EffectCalibration.initial(EDGES)
    for users in [([np.nan], [0.0], [1.0]), ([0.0], [np.inf], [1.0]), ([0.0], [0.0], [np.nan])]:
        with pytest.raises(InvalidInputError, match="not finite"):
            state.update(*map(np.array, users))
    with pytest.raises(InvalidInputError, match="below 0"):
        state.update(np.zeros(1), np.zeros(1), -np.ones(1))
    with pytest.raises(InvalidInputError, match="can't be merged"):
        state.merge(EffectCalibration.initial(EDGES[1:]))
    with pytest.raises(InvalidInputError, match="one bin"):
        equal_edges(np.zeros(1), 0)
