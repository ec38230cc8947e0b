"""Shares of credit by delay, and what of them is a group's own."""

import numpy as np
import pytest

from nightslate.core.product_limit import Truncated, share_within, shrunk

CAME = np.array([[2.0, 3.0, 5.0, 0.0], [0.0, 0.0, 2.0, 8.0], [0.0, 0.0, 0.0, 0.0]])
WATCHED = np.array([[0.0, 0.0, 0.0, 10.0], [0.0, 0.0, 0.0, 10.0], [0.0, 0.0, 0.0, 0.0]])
ALL_WATCHED = Truncated(CAME, WATCHED)


def test_where_all_is_watched_to_the_end_shares_are_what_came():
    np.testing.assert_allclose(ALL_WATCHED.within[:2], [[0.2, 0.5, 1.0, 1.0], [0.0, 0.0, 0.2, 1.0]])
    np.testing.assert_allclose(ALL_WATCHED.pooled.within, [0.1, 0.25, 0.6, 1.0])
    np.testing.assert_allclose(share_within(ALL_WATCHED.hazard)[:2], ALL_WATCHED.within[:2])
    np.testing.assert_array_equal(np.isnan(ALL_WATCHED.within[2]), [True, True, True, False])


def test_credit_that_could_not_be_seen_later_says_nothing_of_later():
    found = Truncated(np.array([4.0, 4.0, 0.0, 8.0]), np.array([0.0, 4.0, 0.0, 12.0]))
    np.testing.assert_allclose(found.at_risk, [4.0, 8.0, 4.0, 12.0])
    np.testing.assert_allclose(found.hazard, [1.0, 1 / 2, 0.0, 2 / 3])
    np.testing.assert_allclose(found.within, [1 / 6, 1 / 3, 1 / 3, 1.0])


@pytest.mark.parametrize("k", [0.5, 10.0, 1e6])
def test_a_group_is_parts_of_its_own_and_parts_of_all(k):
    unit = np.array([1.0, 2.0, 1.0])
    own = shrunk(ALL_WATCHED, unit, k)
    of_all = ALL_WATCHED.pooled.within
    for group, n in enumerate([10.0, 5.0]):
        expected = (n * ALL_WATCHED.within[group] + k * of_all) / (n + k)
        np.testing.assert_allclose(own[group], expected, rtol=1e-12)
    np.testing.assert_array_equal(own[2], of_all)


def test_without_anything_watched_to_the_end_no_group_knows():
    found = shrunk(Truncated(CAME, np.roll(WATCHED, -1, axis=1)), np.ones(3), 10.0)
    assert np.isnan(found[:, :-1]).all()
