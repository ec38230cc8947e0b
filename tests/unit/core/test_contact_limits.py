"""Limits of contacts against their definition, and what an engine may do that asks at each moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.contact_limits import (
    ContactLimit,
    contacts_before,
    contacts_within,
    exceeding,
    first_exceeded,
    refused_by,
)

LIMITS = st.lists(
    st.builds(ContactLimit, st.sampled_from(["limit", "gap"]), st.integers(1, 3), st.integers(1, 12)),
    max_size=3,
)
CONTACTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=25)


@given(LIMITS, CONTACTS, st.integers(0, 30), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_against_one_user_and_one_limit_at_a_time(limits, contacts, moment, more):
    users = np.array([user for user, _ in contacts], dtype=np.int64)
    at = np.array([when for _, when in contacts], dtype=np.int64)
    within = contacts_within(limits, users, at, 4, moment)
    assert within.shape == (4, len(limits))
    first = first_exceeded(limits, within, np.array(more))
    for user in range(4):
        mine = [when for who, when in contacts if who == user]
        counts = [sum(moment - limit.period <= when < moment for when in mine) for limit in limits]
        assert within[user].tolist() == counts
        beyond = [
            place
            for place, (limit, count) in enumerate(zip(limits, counts, strict=True))
            if more[user] and count + more[user] > limit.most
        ]
        assert first[user] == (beyond[0] if beyond else -1)
        refused = refused_by(limits, np.array(mine, dtype=np.int64), moment, more[user])
        assert refused == (limits[beyond[0]] if beyond else None)


@given(LIMITS, CONTACTS)
def test_contacts_that_exceed_a_limit_are_those_with_too_many_just_before(limits, contacts):
    contacts = sorted(contacts)
    users, at = (np.array([pair[end] for pair in contacts], dtype=np.int64) for end in (0, 1))
    found = exceeding(limits, users, at)
    for place, (user, when) in enumerate(contacts):
        for number, limit in enumerate(limits):
            before = [w for u, w in contacts[:place] if u == user and when - w < limit.period]
            assert found[place, number] == (len(before) >= limit.most)


@given(LIMITS.filter(bool), st.lists(st.integers(0, 60), max_size=60))
def test_who_asks_at_each_moment_never_exceeds_a_limit(limits, moments):
    shown = []
    for moment in sorted(set(moments)):
        if refused_by(limits, np.array(shown, dtype=np.int64), moment) is None:
            shown.append(moment)
    for limit in limits:
        for begin in range(61):
            assert sum(begin <= when < begin + limit.period for when in shown) <= limit.most


@pytest.mark.parametrize(("moment", "allowed"), [(9, False), (10, False), (11, True)])
def test_a_period_holds_its_first_moment(moment, allowed):
    limit = ContactLimit("limit", 1, 10)
    assert (refused_by([limit], np.array([0]), moment) is None) == allowed
    assert refused_by([limit], np.array([], dtype=np.int64), moment) is None


@given(LIMITS, CONTACTS, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=9))
def test_each_at_a_moment_of_its_own_is_as_one_user_at_one_moment(limits, contacts, asked):
    users = np.array([user for user, _ in contacts], dtype=np.int64)
    at = np.array([when for _, when in contacts], dtype=np.int64)
    of, moments = (
        np.array(column, dtype=np.int64) for column in (zip(*asked, strict=True) if asked else ([], []))
    )
    found = contacts_before(limits, users, at, of, moments)
    assert found.shape == (len(asked), len(limits))
    for row, (user, moment) in enumerate(asked):
        assert found[row].tolist() == contacts_within(limits, users, at, 4, moment)[user].tolist()
