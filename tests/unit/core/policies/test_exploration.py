import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exploration import mix_floor


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=90).filter(lambda row: sum(row) > 0.01),
    st.floats(1e-12, 1.0),
)
def test_no_weight_is_under_its_share_of_the_floor(row, floor):
    probabilities = np.array([row]) / np.sum(row)
    weights = mix_floor(probabilities, floor)
    assert weights.dtype == np.float32
    assert (weights.astype(np.float64) >= floor / len(row)).all()
    np.testing.assert_allclose(weights, (1 - floor) * probabilities + floor / len(row), rtol=2e-7)


def test_the_smallest_floor_still_leaves_every_arm_possible():
    assert (mix_floor(np.array([[1.0, 0.0, 0.0]]), 1e-300) > 0).all()


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.1, np.nan])
def test_a_floor_outside_0_to_1_is_refused(floor):
    with pytest.raises(InvalidInputError, match="exploration floor"):
        mix_floor(np.array([[1.0]]), floor)


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0], [2.0, 2.0]])
def test_rows_that_are_not_probabilities_are_refused(row):
    with pytest.raises(InvalidInputError, match="1 of"):
        mix_floor(np.array([row]), 0.1)
