"""No cell of few users is told, and none follows from a total and the others."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nightslate.core.arrays import Bools, Ints
from nightslate.core.experiments.small_cells import merged_values


def merged(users: Ints, least: int) -> Bools:
    return merged_values(users, least, np.zeros(len(users), dtype=np.bool_))


@pytest.mark.parametrize(
    ("users", "stand_together"),
    [
        ([[50, 50], [30, 30], [20, 20]], []),
        ([[50, 50], [30, 30], [3, 30], [4, 30], [15, 30]], [2, 3, 4]),
        ([[50, 50], [30, 30], [19, 30]], [1, 2]),  # alone it would be the total less the others
        ([[50, 50], [30, 30], [0, 30]], []),  # nobody is no cell
        ([[50, 50], [60, 60], [19, 1], [1, 18]], [0, 2, 3]),  # 20 of one variant, and 19 of the other
        ([[50, 50], [19, 50]], [0, 1]),
        ([[1, 2]], [0]),
    ],
)
def test_small_values_stand_together_with_as_many_more_as_it_takes(
    users: list[list[int]], stand_together: list[int]
) -> None:
    assert np.flatnonzero(merged(np.array(users), 20)).tolist() == stand_together


def test_a_value_of_the_same_name_stands_with_the_others() -> None:
    users = np.array([[50], [30], [3], [4], [15]])
    found = merged_values(users, 20, np.array([False, True, False, False, False]))
    assert np.flatnonzero(found).tolist() == [1, 2, 3, 4]
    assert not merged_values(users[:2], 20, np.array([False, True])).any()


TABLES = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=st.integers(0, 6))


@given(TABLES, st.integers(2, 5))
def test_what_can_be_told_from_what_is_told_is_never_a_small_cell(users: Ints, least: int) -> None:
    """By trying all tables: of each variant the total is told, each value that stands alone, and the sum of
    the others. A count that all tables agree on, of one value or of several, is of nobody or of enough
    users."""
    together = merged(users, least)
    if together.all():
        return
    assert not ((users[~together] > 0) & (users[~together] < least)).any()
    if not together.any():
        return
    for of_variant in users[together].T:
        possible = [
            table
            for table in product(range(int(of_variant.sum()) + 1), repeat=of_variant.size)
            if sum(table) == of_variant.sum()
        ]
        agreed = [cells[0] for cells in zip(*possible, strict=True) if len({*cells}) == 1]
        assert all(count == 0 for count in agreed)
        assert of_variant.sum() == 0 or of_variant.sum() >= least


@given(TABLES, st.integers(2, 5))
def test_no_more_stands_together_than_has_to(users: Ints, least: int) -> None:
    together = merged(users, least)
    small = ((users > 0) & (users < least)).any(axis=1)
    assert (together >= small).all()
    added = np.flatnonzero(together & ~small)
    if not small.any() or not added.size:
        return
    without_the_last = together.copy()
    without_the_last[max(added, key=lambda place: (users[place].sum(), place))] = False
    left = users[without_the_last].sum(axis=0)
    assert without_the_last.sum() < 2 or ((left > 0) & (left < least)).any()
