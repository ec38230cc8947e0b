"""Who is in which variant when shares change: as few move as can be, and nobody between those that stay."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.experiments import allocated, reallocated, segment_of, shares_of

START = date(2026, 3, 1)
NAMES = ("a", "b", "c", "d", "e")
EXACT = 1e-9
PARTS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 1000), min_size=1)
HISTORIES = st.lists(PARTS, min_size=2, max_size=6)


def shares(parts):
    total = sum(parts.values())
    return {name: part / total for name, part in parts.items()}


def day(number):
    return START + timedelta(days=number)


def after(history):
    """The segments after each change."""
    segments = [allocated(history[0], START)]
    for number, wanted in enumerate(history[1:], start=1):
        segments.append(reallocated(segments[-1], wanted, day(number)))
    return segments


def moved(before, now):
    """How much of the interval went from each variant to each other one."""
    bounds = sorted({edge for segment in (*before, *now) for edge in (segment.lower, segment.upper)})
    middles = (np.array(bounds[:-1]) + np.array(bounds[1:])) / 2
    flows = {}
    for length, old, new in zip(
        np.diff(bounds), segment_of(before, middles), segment_of(now, middles), strict=True
    ):
        pair = before[old].variant, now[new].variant
        flows[pair] = flows.get(pair, 0.0) + length
    return {pair: length for pair, length in flows.items() if pair[0] != pair[1] and length > EXACT}


def test_an_experiment_begins_by_name_in_shares():
    first = allocated({"treated": 0.2, "control": 0.5, "held": 0.3, "nobody": 0.0}, START)
    assert [(s.variant, s.lower, s.upper) for s in first] == [
        ("control", 0.0, 0.5),
        ("held", 0.5, 0.8),
        ("treated", 0.8, 1.0),
    ]
    assert {(s.since, s.reason) for s in first} == {(START, "assigned")}


@given(HISTORIES)
def test_segments_cover_the_interval_in_order_and_have_their_shares(history):
    history = [shares(parts) for parts in history]
    for wanted, segments in zip(history, after(history), strict=True):
        assert segments[0].lower == 0.0
        assert segments[-1].upper == 1.0
        assert all(left.upper == right.lower for left, right in pairwise(segments))
        assert all(segment.length > 0 for segment in segments)
        assert shares_of(segments) == pytest.approx(wanted, abs=EXACT)


@given(HISTORIES)
def test_the_fewest_users_move_and_none_between_variants_that_both_lose_or_both_gain(history):
    history = [shares(parts) for parts in history]
    segments = after(history)
    for number in range(1, len(history)):
        then, now = history[number - 1], history[number]
        change = {name: now.get(name, 0.0) - then.get(name, 0.0) for name in NAMES}
        flows = moved(segments[number - 1], segments[number])
        assert sum(flows.values()) == pytest.approx(sum(map(abs, change.values())) / 2, abs=EXACT)
        for loses, gains in flows:
            assert change[loses] < 0 < change[gains]


def test_a_variant_that_is_added_takes_from_those_that_shrink_alone():
    before = allocated({"a": 0.5, "b": 0.5}, START)
    now = reallocated(before, {"a": 0.5, "b": 0.25, "another": 0.25}, day(1))
    assert moved(before, now) == pytest.approx({("b", "another"): 0.25})


def test_who_moved_is_told_from_who_stayed():
    now = reallocated(allocated({"a": 0.5, "b": 0.5}, START), {"a": 0.6, "b": 0.4}, day(7))
    assert [(s.variant, s.since, s.reason) for s in now] == [
        ("a", START, "assigned"),
        ("b", START, "assigned"),
        ("a", day(7), "moved"),
    ]


@given(PARTS)
def test_where_shares_stay_nothing_changes(parts):
    before = allocated(shares(parts), START)
    assert reallocated(before, shares(parts), day(3)) == before


def test_draws_fall_into_their_segment():
    segments = allocated({"a": 0.25, "b": 0.75}, START)
    assert segment_of(segments, np.array([0.0, 0.2499, 0.25, 0.9999])).tolist() == [0, 0, 1, 1]
