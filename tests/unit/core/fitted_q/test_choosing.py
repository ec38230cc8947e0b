import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q import CHOICES, choosing

VALUES = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 1.0], [0.0, 0.0, 0.0]])


def test_greedy_takes_the_best_and_those_that_tie_share():
    np.testing.assert_array_equal(
        choosing(VALUES, "greedy"), [[0, 1, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]
    )


def test_epsilon_is_shared_by_the_others():
    """Of two that tie, one is the best by lot: (1 - epsilon + epsilon / 2) / 2 each."""
    np.testing.assert_allclose(
        choosing(VALUES, "epsilon_greedy", epsilon=0.2),
        [[0.1, 0.8, 0.1], [0.45, 0.45, 0.1], [1 / 3, 1 / 3, 1 / 3]],
        rtol=1e-14,
    )


def test_epsilon_goes_from_greedy_to_uniform_to_never_the_best():
    np.testing.assert_array_equal(choosing(VALUES, "epsilon_greedy", 0.0), choosing(VALUES, "greedy"))
    np.testing.assert_allclose(choosing(VALUES, "epsilon_greedy", 2 / 3), 1 / 3, rtol=1e-14)
    np.testing.assert_allclose(choosing(VALUES[:1], "epsilon_greedy", 1.0), [[0.5, 0, 0.5]], atol=1e-15)


def test_softmax_is_in_proportion_to_exp():
    odds = np.exp(VALUES / 0.7)
    np.testing.assert_allclose(
        choosing(VALUES, "softmax", temperature=0.7), odds / odds.sum(axis=1, keepdims=True), rtol=1e-12
    )


@pytest.mark.filterwarnings("error")
def test_softmax_of_huge_values_and_tiny_temperatures_is_greedy():
    for values, temperature in (VALUES * 1e300, 1.0), (-VALUES * 1e300, 1.0), (VALUES, 5e-324):
        np.testing.assert_array_equal(
            choosing(values, "softmax", temperature=temperature), choosing(values, "greedy")
        )


@pytest.mark.parametrize("choose", CHOICES)
def test_of_one_arm_that_is_chosen(choose):
    np.testing.assert_array_equal(choosing(np.array([[2.0], [-1.0]]), choose, 0.3, 2.0), 1)
    assert choosing(np.zeros((0, 3)), choose, 0.3).shape == (0, 3)


@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e6, 1e6)),
    st.sampled_from(CHOICES),
    st.floats(0, 1),
    st.floats(1e-3, 1e3),
)
@settings(deadline=None, max_examples=50)
def test_they_are_probabilities_and_follow_the_arms(values, choose, epsilon, temperature):
    weights = choosing(values, choose, epsilon, temperature)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    turned = choosing(values[:, ::-1], choose, epsilon, temperature)[:, ::-1]
    np.testing.assert_allclose(turned, weights, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("best",), "choose must be one of greedy, epsilon_greedy, softmax; got 'best'"),
        (("epsilon_greedy", 1.1), "epsilon"),
        (("epsilon_greedy", float("nan")), "epsilon"),
        (("softmax", 0.1, 0.0), "temperature"),
        (("softmax", 0.1, float("inf")), "temperature"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        choosing(VALUES, *settings)
