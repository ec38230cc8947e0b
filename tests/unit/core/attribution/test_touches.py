"""Which impressions an outcome touches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.attribution import Touches, in_order, matched, named
from nightslate.core.errors import InvalidInputError

small = st.integers(0, 2)
impressions = st.lists(st.tuples(small, st.integers(0, 12), small), max_size=25)
outcomes = st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 16), st.integers(0, 8)), max_size=15)


def columns(rows):
    return [np.array(column, dtype=np.int64) for column in (zip(*rows, strict=True) if rows else [[]] * 3)]


def touched(shown, ranks, happened):
    """The places of what each outcome touches, the latest last, and whether something came earlier."""
    keys, times, slots = columns(shown)
    by_rank = np.array(ranks, dtype=np.int64)
    found = matched(keys, times, slots, lambda places: by_rank[places], *columns(happened))
    lines = [found.line[a:b].tolist() for a, b in zip(found.first, found.last, strict=True)]
    assert found.counts.tolist() == [len(line) for line in lines]
    assert not found.later.any()
    return lines, found.earlier.tolist()


def in_words(shown, ranks, happened):
    lines, earlier = [], []
    for key, time, window in happened:
        known = [p for p, (of, when, _) in enumerate(shown) if of == key and when <= time]
        inside = [p for p in known if shown[p][1] >= time - window]
        lines.append(sorted(inside, key=lambda p: (shown[p][1], shown[p][2], ranks[p])))
        earlier.append(len(inside) < len(known))
    return lines, earlier


@settings(max_examples=300, deadline=None)
@given(impressions, outcomes, st.randoms(use_true_random=False))
def test_an_outcome_touches_what_the_words_say(shown, happened, random):
    ranks = random.sample(range(len(shown)), len(shown))
    assert touched(shown, ranks, happened) == in_words(shown, ranks, happened)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 1 << 16, (1 << 16) + 1, 1 << 33]), small), max_size=20))
def test_rows_in_the_order_of_time_have_keys_of_any_size(rows):
    shown = [(key, time, 0) for key, time in sorted(rows, key=lambda row: row[1])]
    happened = [(key, 9, 9) for key, _ in rows]
    assert touched(shown, range(len(shown)), happened) == in_words(shown, range(len(shown)), happened)


def test_the_window_holds_both_its_ends():
    shown, happened = [(0, 100, 0)], [(0, time, 7) for time in (99, 100, 107, 108)]
    assert touched(shown, [0], happened) == ([[], [0], [0], []], [False, False, False, True])


def test_times_of_a_real_clock_and_windows_of_weeks_do_not_overflow():
    now, fortnight = 1_790_000_000_000_000, 14 * 86_400_000_000
    shown = [(key, now + key, 1) for key in range(3)]
    happened = [(key, now + key + fortnight + late, fortnight) for key in range(3) for late in (0, 1)]
    assert touched(shown, [0, 1, 2], happened)[0] == [[0], [], [1], [], [2], []]


def test_a_named_impression_is_touched_in_its_window_or_a_skew_ahead():
    places = np.array([4, 4, 4, 4, 4, -1])
    lags = np.array([-3, -2, 0, 7, 8, 0])
    found = named(places, lags, np.full(6, 7), 2)
    lines = [found.line[a:b].tolist() for a, b in zip(found.first, found.last, strict=True)]
    assert lines == [[], [4], [4], [4], [], []]
    assert found.earlier.tolist() == [False, False, False, False, True, False]
    assert found.later.tolist() == [True, False, False, False, False, False]


@settings(max_examples=100, deadline=None)
@given(impressions, st.randoms(use_true_random=False))
def test_rows_are_ordered_by_groups_then_time_then_rank(shown, random):
    ranks = random.sample(range(len(shown)), len(shown))
    groups, times, _ = columns(shown)
    by_rank = np.array(ranks, dtype=np.int64)
    order = in_order([groups], times, lambda places: by_rank[places])
    assert order.tolist() == sorted(range(len(shown)), key=lambda p: (shown[p][0], shown[p][1], ranks[p]))


def test_touches_of_some_outcomes_take_the_place_of_others():
    one = named(np.array([5, 6, 7]), np.zeros(3, dtype=np.int64), np.full(3, 9), 0)
    other = named(np.array([8, -1]), np.zeros(2, dtype=np.int64), np.full(2, 9), 0)
    both = one.with_those_of(np.array([2, 0]), other)
    lines = [both.line[a:b].tolist() for a, b in zip(both.first, both.last, strict=True)]
    assert lines == [[], [6], [8]]
    assert Touches.none(2).counts.tolist() == [0, 0]


def test_what_does_not_fit_is_refused():
    one, same = np.zeros(1, dtype=np.int64), lambda places: places
    with pytest.raises(InvalidInputError, match="negative"):
        matched(one, one, one, same, one, one, one - 1)
    with pytest.raises(InvalidInputError, match="impression"):
        matched(one, np.zeros(2, dtype=np.int64), one, same, one, one, one)
    with pytest.raises(InvalidInputError, match="outcome"):
        matched(one, one, one, same, one, np.zeros(2, dtype=np.int64), one)
