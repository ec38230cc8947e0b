import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.attribution import last_touch
from nightslate.core.errors import InvalidInputError

small = st.integers(0, 3)
impressions = st.lists(st.tuples(small, small, st.integers(0, 12)), max_size=25)
outcomes = st.lists(st.tuples(small, st.integers(-1, 3), st.integers(0, 16)), max_size=15)


def columns(rows, width):
    return [
        np.array(column, dtype=np.int64) for column in (zip(*rows, strict=True) if rows else [[]] * width)
    ]


def oracle(shown, happened, window):
    """What the words say, one outcome at a time."""
    credited = []
    for user, arm, time in happened:
        candidates = [
            (shown_time, order, place)
            for place, (shown_user, shown_arm, shown_time, order) in enumerate(shown)
            if shown_user == user and arm in (-1, shown_arm) and shown_time <= time <= shown_time + window
        ]
        credited.append(max(candidates)[2] if candidates else -1)
    return credited


@settings(max_examples=300, deadline=None)
@given(impressions, outcomes, st.integers(0, 8), st.randoms(use_true_random=False))
def test_it_agrees_with_the_words(shown, happened, window, random):
    order = list(range(len(shown)))
    random.shuffle(order)
    shown = [(*row, rank) for row, rank in zip(shown, order, strict=True)]
    credited = last_touch(*columns(shown, 4), *columns(happened, 3), window)
    assert credited.tolist() == oracle(shown, happened, window)


@settings(max_examples=50, deadline=None)
@given(impressions.filter(bool), outcomes, st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_say(shown, happened, random):
    shown = [(*row, rank) for rank, row in enumerate(shown)]
    shuffled = random.sample(shown, len(shown))
    credited = last_touch(*columns(shown, 4), *columns(happened, 3), 6)
    again = last_touch(*columns(shuffled, 4), *columns(happened, 3), 6)
    assert [shown[i] if i >= 0 else None for i in credited] == [
        shuffled[i] if i >= 0 else None for i in again
    ]


def test_the_window_holds_both_its_ends():
    one = np.zeros(1, dtype=np.int64)
    times = np.array([99, 100, 107, 108])
    nobody_named = np.full(4, -1)
    credited = last_touch(one, one, one + 100, one, np.zeros(4, dtype=int), nobody_named, times, 7)
    assert credited.tolist() == [-1, 0, 0, -1]


def test_what_does_not_fit_is_refused():
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(InvalidInputError, match="must not be negative"):
        last_touch(one, one, one, one, one, one, one, -1)
    with pytest.raises(InvalidInputError, match="impression columns must be integers of one length"):
        last_touch(one, one, np.zeros(2, dtype=np.int64), one, one, one, one, 1)
    with pytest.raises(InvalidInputError, match="outcome columns must be integers"):
        last_touch(one, one, one, one, one, one, np.zeros(1), 1)
