import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.mips import MIPS, marginal_over_features
from nightslate.core.ope.sample import Sample

PROPENSITIES = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
FEATURES = np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 1.0], [0.0, 2.0]])


def test_arms_of_equal_features_count_as_one():
    for arms, expected in (([0, 0], [0.4, 0.8]), ([2, 1], [0.4, 0.1]), ([3, 3], [0.4, 0.1])):
        marginal = marginal_over_features(PROPENSITIES, FEATURES, np.array(arms))
        np.testing.assert_allclose(marginal, expected)


def test_arms_that_all_differ_leave_their_own_propensity():
    arms = np.array([2, 0])
    marginal = marginal_over_features(PROPENSITIES, np.eye(4), arms)
    np.testing.assert_array_equal(marginal, PROPENSITIES[[0, 1], arms])


def test_arms_that_all_agree_leave_the_mean_reward():
    rounded = np.array([[0.7, 0.1, 0.1, 0.1 + 2e-16]] * 2)
    logged = marginal_over_features(rounded, np.ones((4, 1)), np.array([1, 3]))
    sample = Sample(
        np.array([1.0, 3.0]),
        np.full(2, 0.1),
        np.full(2, 0.9),
        marginal_propensity=logged,
        target_marginal_propensity=np.ones(2),
    )
    ((numerator, denominator),) = MIPS.terms(sample, np.inf)
    assert numerator.sum() / denominator.sum() == pytest.approx(2)


def test_no_rows_have_no_marginals():
    marginal = marginal_over_features(np.zeros((0, 4)), FEATURES, np.zeros(0, dtype=np.int64))
    assert marginal.shape == (0,)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match="4 arms need as many rows of features, got 3"):
        marginal_over_features(PROPENSITIES, FEATURES[:3], np.zeros(2, dtype=np.int64))
    with pytest.raises(InvalidInputError, match="arm_features has 1 of 8"):
        marginal_over_features(PROPENSITIES, np.where(FEATURES == 2, np.nan, FEATURES), np.zeros(2, int))
    with pytest.raises(InvalidInputError, match="arms has 1 of 2 values outside"):
        marginal_over_features(PROPENSITIES, FEATURES, np.array([0, -1]))
