"""Moments of cells are those that NumPy gives, however the users are split."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.experiments import Moments

USERS, CELLS, COLUMNS = 500, 6, 3


def users(seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, CELLS, USERS), rng.gamma(1.0, 2.0, (USERS, COLUMNS)) + offset


def moments(cell, values):
    return Moments.initial((CELLS,), COLUMNS).update(cell, values)


def assert_same(one, other, rtol=1e-12):
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, other.arrays()[name], rtol=rtol, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_moments_are_those_of_numpy(offset):
    cell, values = users(offset=offset)
    found = moments(cell, values)
    for place in range(CELLS):
        own = values[cell == place]
        assert found.n[place] == len(own)
        np.testing.assert_allclose(found.mean[place], own.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(
            found.covariance[place], np.cov(own.T), rtol=1e-9, atol=1e-6 * (offset > 0)
        )
        sums = np.abs(own).sum(axis=0)
        np.testing.assert_allclose(found.effective[place], sums**2 / (own**2).sum(axis=0))


@given(st.lists(st.integers(0, USERS), max_size=5), st.integers(0, 2**32 - 1))
def test_any_split_in_any_order_gives_the_same(cuts, seed):
    cell, values = users()
    order = np.random.default_rng(seed).permutation(USERS)
    bounds = [0, *sorted(cuts), USERS]
    state = Moments.initial((CELLS,), COLUMNS)
    for begin, end in pairwise(bounds):
        rows = order[begin:end]
        state = moments(cell[rows], values[rows]).merge(state)
    assert_same(state, moments(cell, values))


def test_cells_are_pooled():
    cell, values = users()
    by_two = Moments.initial((2, 3), COLUMNS).update(cell, values)
    assert_same(by_two.pooled(1), Moments.initial((2,), COLUMNS).update(cell // 3, values))
    assert_same(by_two.pooled(0), Moments.initial((3,), COLUMNS).update(cell % 3, values))
    assert_same(by_two.at(1, axis=1).cell(0), moments(cell, values).cell(1))


def test_a_cell_without_users_has_no_covariance():
    found = moments(np.array([0, 0, 2]), np.ones((3, COLUMNS)))
    assert np.isnan(found.covariance[1]).all()
    assert np.isnan(found.covariance[2]).all()
    assert (found.covariance[0] == 0).all()
    assert found.effective[1].tolist() == [0.0] * COLUMNS


@pytest.mark.parametrize(
    ("cell", "values", "complaint"),
    [
        ([0, CELLS], [[1.0] * COLUMNS] * 2, "cell"),
        ([0, 1], [[1.0] * COLUMNS, [np.inf] * COLUMNS], "not finite"),
        ([0], [[1.0]], "shape"),
        ([0, 0], [[1e200] * COLUMNS, [-1e200] * COLUMNS], "no sum holds their squares"),
    ],
)
def test_what_can_t_be_summed_up_is_refused(cell, values, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        moments(np.array(cell), np.array(values))
