"""What a user can earn in a day, and how many outcomes of it count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.attribution import capped, first_of_each

rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.25, 0.5, 1.0, -0.75, 2.0])), max_size=12)


def columns(drawn, random):
    """Totals and groups of rows in any order, and the order that has groups together."""
    places = list(range(len(drawn)))
    random.shuffle(places)
    order = sorted(places, key=lambda place: (drawn[place][0], places.index(place)))
    groups = np.array([group for group, _ in drawn], dtype=np.int64)
    return groups, np.array([total for _, total in drawn]), np.array(order, dtype=np.int64)


def test_the_first_keep_theirs_and_the_one_that_crosses_gets_what_is_left():
    totals, groups = np.array([3.0, 1.0, -2.0, 0.0, 2.0, 1.0, 4.0]), np.array([0, 0, 0, 0, 0, 0, 1])
    left = capped(totals, groups, np.array([1, 2, 0, 3, 5, 4, 6]), 3.5)
    assert left.tolist() == [2.5, 1.0, -2.0, 0.0, 0.0, 0.0, 3.5]


@settings(max_examples=200, deadline=None)
@given(rows, st.sampled_from([0.25, 1.0, 1.75, 10.0]), st.randoms(use_true_random=False))
def test_a_cap_is_what_the_words_say(drawn, cap, random):
    groups, totals, order = columns(drawn, random)
    earned, expected = dict.fromkeys(range(4), 0.0), totals.tolist()
    for place in order:
        group, total = drawn[place]
        if total > 0:
            expected[place] = min(total, cap - earned[group])
            earned[group] += expected[place]
    assert capped(totals, groups, order, cap).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_first_of_each_group_in_the_order(drawn, most, random):
    groups, _, order = columns(drawn, random)
    seen, expected = dict.fromkeys(range(4), 0), [False] * len(drawn)
    for place in order:
        seen[drawn[place][0]] += 1
        expected[place] = seen[drawn[place][0]] <= most
    assert first_of_each(groups, order, most).tolist() == expected


def test_a_large_total_of_another_user_does_not_blur_the_cap():
    """The sums of one group owe nothing to the size of another's."""
    totals = np.array([1e16, 0.1, 0.1, 0.1, 0.1])
    left = capped(totals, np.array([0, 1, 1, 1, 1]), np.arange(5), 0.25)
    assert left[:1].tolist() == [0.25]
    assert left[1:] == pytest.approx([0.1, 0.1, 0.05, 0.0], rel=1e-12, abs=1e-16)
