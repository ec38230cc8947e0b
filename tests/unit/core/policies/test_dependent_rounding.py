"""Chances become groups: totals are what is expected, and each row's chances are what they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.hashing import mix
from nightslate.core.policies.dependent_rounding import open_rows, played, settled

share = st.one_of(st.floats(1e-6, 1), st.sampled_from([0.0, 0.5, 1.0]))


def keys(rows, night=0):
    return mix(np.arange(rows, dtype=np.uint64), night)


@st.composite
def chances(draw):
    groups = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(share, min_size=groups, max_size=groups).filter(any), max_size=30))
    values = np.array(rows).reshape(-1, groups)
    return values / values.sum(axis=1, keepdims=True)


def totals(groups, count):
    return np.bincount(groups, minlength=count)


@settings(max_examples=200, deadline=None)
@given(chances(), st.integers(0, 2**64 - 1))
def test_each_group_has_as_many_rows_as_are_expected_rounded_up_or_down(chances, seed):
    found = settled(chances, keys(len(chances)), seed)
    assert (np.abs(totals(found, chances.shape[1]) - chances.sum(axis=0)) < 1 + 1e-9).all()
    assert (chances[np.arange(len(found)), found] > 0).all()


@settings(max_examples=100, deadline=None)
@given(chances(), st.integers(0, 30), st.integers(0, 99))
def test_parts_leave_few_open_and_together_are_as_good(chances, cut, seed):
    count = chances.shape[1]
    left = np.vstack([played(part, keys(len(part), 5), seed) for part in (chances[:cut], chances[cut:])])
    np.testing.assert_allclose(left.sum(axis=0), chances.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(left.sum(axis=1), 1, atol=1e-12)
    still = open_rows(left)
    assert still.sum() <= 2 * count * (count - 1) / 2
    found = left.argmax(axis=1)
    found[still] = settled(left[still], keys(int(still.sum()), 7), seed)
    assert (np.abs(totals(found, count) - chances.sum(axis=0)) < 1 + 1e-9).all()


def test_each_row_has_each_group_with_its_chance():
    """Over three thousand nights, of seven rows and three groups: cell by cell, within Monte Carlo error."""
    nights, rng = 3_000, np.random.default_rng(2)
    chances = rng.dirichlet([0.5, 1.0, 2.0], 7)
    counts = np.zeros_like(chances)
    for night in range(nights):
        counts[np.arange(7), settled(chances, keys(7, night), night)] += 1
    error = np.sqrt(chances * (1 - chances) / nights)
    print(f"largest deviation: {np.abs((counts / nights - chances) / error).max():.2f} standard errors")
    assert (np.abs(counts / nights - chances) < 4.5 * error + 1e-12).all()


def test_many_rows_keep_their_totals():
    rng = np.random.default_rng(1)
    chances = rng.dirichlet([0.02, 0.1, 3.0], 300_000)
    found = settled(chances, keys(300_000), 3)
    assert (np.abs(totals(found, 3) - chances.sum(axis=0)) < 1 + 1e-6).all()


def test_the_same_seed_and_keys_give_the_same_groups():
    chances = np.random.default_rng(1).dirichlet([1, 1, 1], 50)
    again = [settled(chances, keys(50), 3) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert (settled(chances, keys(50), 4) != again[0]).any()
    assert (settled(chances, keys(50, 1), 3) != again[0]).any()


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    found = settled(np.full((rows, 3), 1 / 3), keys(rows), 1)
    assert found.shape == (rows,)


def test_what_is_sure_is_left_alone():
    sure = np.eye(4)[[2, 0, 0, 3, 1]]
    np.testing.assert_array_equal(played(sure, keys(5), 1), sure)
    np.testing.assert_array_equal(settled(sure, keys(5), 1), [2, 0, 0, 3, 1])
