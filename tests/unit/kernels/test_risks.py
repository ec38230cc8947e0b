"""What came after the end of a user's day, against the definition; and risks beside users."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.kernels.risks import RISKS, Horizon, users_at_ends, with_risks
from nightslate.kernels.user_features import KnownFeatures

DAY = date(2026, 11, 16)
STAMP = pa.timestamp("us", "UTC")
MIDNIGHT = datetime(2026, 11, 17, tzinfo=UTC)
"""The end of DAY."""


def outcomes(*events):
    """(user, kind, hours after the end of DAY) of each."""
    return pa.table(
        {
            "user_id": pa.array([user for user, _, _ in events], pa.string()),
            "kind": pa.array([kind for _, kind, _ in events], pa.string()),
            "occurred_at": pa.array([MIDNIGHT + timedelta(hours=hours) for *_, hours in events], STAMP),
        }
    )


def users(*rows):
    """(user, days after DAY) of each."""
    return pa.table(
        {
            "user_id": pa.array([user for user, _ in rows], pa.string()),
            "ds": pa.array([DAY + timedelta(days=days) for _, days in rows], pa.date32()),
        }
    )


DAYS = [DAY + timedelta(days=number) for number in range(-3, 4)]
EVENTS = st.lists(
    st.tuples(st.sampled_from("abcx"), st.sampled_from(["leaves", "buys"]), st.integers(-80, 80)), max_size=15
)


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(EVENTS, ROWS, st.integers(1, 60))
def test_what_came_is_what_the_definition_says(events, rows, hours):
    """In [end of the day, end + within), of that user and kind, whatever else there is and in any order."""
    at_ends = users_at_ends(users(*rows), None, None, DAYS)
    found = Horizon("leaves", timedelta(hours=hours)).came(at_ends, outcomes(*events))
    leaves = {(who, at) for who, kind, at in events if kind == "leaves"}
    expected = [
        any((user, at) in leaves for at in range(24 * days, 24 * days + hours)) for user, days in rows
    ]
    assert found.tolist() == expected


def test_a_row_is_a_user_at_the_end_of_one_of_the_days():
    found = users_at_ends(users(("a", 0), ("a", 1), ("b", 0)), None, None, {DAY})
    assert found["user_id"].to_pylist() == ["a", "b"]
    assert set(found["occurred_at"].to_pylist()) == {MIDNIGHT}


def test_features_are_those_of_the_end_of_the_rows_own_day():
    """Also where features are as of decisions, one of which was just before."""
    ends = [MIDNIGHT, MIDNIGHT + timedelta(days=1), MIDNIGHT - timedelta(seconds=1)]
    features = pa.table(
        {"user_id": ["a"] * 3, "as_of": pa.array(ends, STAMP), "errors": pa.array([1.0, 2.0, 9.0])}
    )
    for of_decisions in (False, True):
        known = KnownFeatures({"errors": 0.0}, of_decisions)
        found = users_at_ends(users(("a", 0), ("a", 1), ("a", 2), ("b", 0)), features, known, DAYS)
        assert found["errors"].to_pylist() == [1.0, 2.0, 0.0, 0.0]


def test_a_detector_that_says_nothing_is_null():
    risks = pa.table({"user_id": ["a", "b"], "detector": ["leaving"] * 2, "risk": [0.25, 0.5]}, schema=RISKS)
    found = with_risks(users(("b", 0), ("c", 0), ("a", 0)), risks, ("leaving", "lost"))
    assert found["leaving"].to_pylist() == [0.5, None, 0.25]
    assert found["lost"].to_pylist() == [None] * 3
