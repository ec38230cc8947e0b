"""Scores by enumeration of all that could have been logged."""

import numpy as np
import pytest

from nightslate.core.uplift import effects, help_shares

LOGGING, TRUE = np.array([0.5, 0.3, 0.2]), np.array([1.0, 3.0, -2.0])
BASELINE = 1
WEIGHTS = np.array([0.1, 0.6, 0.3])
TRUTH = (0.1 * 1.0 + 0.3 * -2.0) / 0.4 - 3.0


@pytest.mark.parametrize("model", [TRUE, np.zeros(3), np.array([9.0, -4.0, 2.0])])
def test_the_mean_over_all_logs_is_the_effect_whatever_the_model_expects(model):
    shown = np.arange(3)
    shares = help_shares(np.tile(WEIGHTS, (3, 1)), np.ones((3, 3), np.bool_), BASELINE)
    np.testing.assert_allclose(shares[0], [0.25, 0.0, 0.75])
    scores = effects(shares, shown, LOGGING, TRUE, np.tile(model, (3, 1)), BASELINE)
    assert LOGGING @ scores == pytest.approx(TRUTH)


def test_propensities_may_be_wrong_where_the_model_is_right():
    shares = help_shares(np.tile(WEIGHTS, (3, 1)), np.ones((3, 3), np.bool_), BASELINE)
    wrong = effects(shares, np.arange(3), np.full(3, 0.9), TRUE, np.tile(TRUE, (3, 1)), BASELINE)
    np.testing.assert_allclose(wrong, TRUTH)


def test_help_is_chosen_among_what_is_eligible():
    eligible = np.array([[True, True, False], [False, True, False], [True, True, True]])
    shares = help_shares(np.tile(WEIGHTS, (3, 1)).astype(np.float32), eligible, BASELINE)
    np.testing.assert_allclose(shares, [[1, 0, 0], [0, 0, 0], [0.25, 0, 0.75]], rtol=1e-6)


def test_an_arm_that_is_gone_leaves_what_the_model_says():
    shares = help_shares(WEIGHTS[None], np.ones((1, 3), np.bool_), BASELINE)
    found = effects(shares, np.array([-1]), np.array([0.1]), np.array([50.0]), TRUE[None], BASELINE)
    assert found[0] == pytest.approx(TRUTH)
