"""Ranges of an array, many at once, against each by itself; long ones go through blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.features import ranges
from nightslate.core.features.ranges import counted_below, nth_smallest, reduced


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch):
    """So that ranges of some values are long."""
    for name, length in (("_BLOCK", 3), ("_SORTED", 4), ("LONG", 9), ("_ROWS_AT_ONCE", 20)):
        monkeypatch.setattr(ranges, name, length)


@st.composite
def _owned(draw):
    """Values of some owners, one after another, and ranges within those of one."""
    lengths = draw(st.lists(st.integers(0, 40), min_size=1, max_size=4))
    values = draw(st.lists(st.integers(-20, 20), min_size=sum(lengths), max_size=sum(lengths)))
    firsts, found = np.cumsum([0, *lengths[:-1]]), []
    for _ in range(draw(st.integers(1, 12))):
        owner = draw(st.integers(0, len(lengths) - 1))
        ends = sorted(draw(st.tuples(*[st.integers(0, lengths[owner])] * 2)))
        found.append((firsts[owner] + ends[0], firsts[owner] + ends[1], firsts[owner]))
    return np.array(values, dtype=np.int64), *np.array(found, dtype=np.int64).T


@given(_owned())
def test_what_is_reduced(owned):
    values, low, high, origin = owned
    for ufunc in (np.add, np.minimum, np.maximum):
        wanted = [ufunc.reduce(values[a:b]) if b > a else 0 for a, b in zip(low, high, strict=True)]
        assert reduced(ufunc, values, low, high, origin).tolist() == wanted


@given(_owned(), st.integers(-25, 25))
def test_what_is_counted(owned, bound):
    values, low, high, origin = owned
    wanted = [int((values[a:b] < bound).sum()) for a, b in zip(low, high, strict=True)]
    assert counted_below(values, np.full(low.size, bound), low, high, origin).tolist() == wanted


@given(_owned(), st.data())
def test_the_nth_smallest(owned, data):
    values, low, high, origin = owned
    some = np.flatnonzero(high > low)
    order = np.argsort(values, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    nth = np.array([data.draw(st.integers(0, int(high[i] - low[i]) - 1)) for i in some], dtype=np.int64)
    wanted = [sorted(rank[low[i] : high[i]])[n] for i, n in zip(some, nth, strict=True)]
    assert nth_smallest(rank, nth, low[some], high[some], origin[some]).tolist() == wanted


def test_a_sum_does_not_depend_on_what_is_around_it():
    """To the last bit: blocks count from where the values of an owner begin."""
    draw = np.random.default_rng(1)
    own = draw.normal(size=200)
    low, high, origin = (np.array([place]) for place in (5, 180, 0))
    alone = reduced(np.add, own[:180], low, high, origin)
    for before in (1, 7, 50):
        around = np.concatenate([draw.normal(size=before), own, draw.normal(size=30)])
        assert reduced(np.add, around, low + before, high + before, origin + before) == alone
