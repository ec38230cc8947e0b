"""Features by arm against their definition, over random histories."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.oracles.features import feature_as_of

from nightslate.kernels.user_features import FeaturesOfDay, KnownFeatures
from nightslate.programs.features import FeatureSpecs, aggregates
from nightslate.records.instants import INSTANT

DAY = date(2026, 3, 4)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
USERS = [letter * 32 for letter in "abe"]
ARMS = ["call", "mail", "tour"]
TOPICS = {"call": "talk", "tour": "talk", "mail": "text"}  # nothing else is about a topic
SPECS: dict[str, dict[str, Any]] = {
    "seen": {"aggregation": "count"},
    "slots": {"aggregation": "sum", "column": "slot", "where": {"surface": "app"}},
    "mean_slot": {"aggregation": "mean", "column": "slot", "default": -1.0},
    "surfaces": {"aggregation": "distinct", "column": "surface"},
    "since": {"aggregation": "time_since_last", "where": {"surface": "web"}, "default": 1e6},
    "high": {"aggregation": "quantile", "column": "slot", "quantile": 0.75, "default": 0.0},
}
WINDOWS = ["6h", "1d", "3d"]
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("occurred_at", INSTANT),
        ("arm_id", pa.string()),
        ("slot", pa.int32()),
        ("surface", pa.string()),
    ]
)


@st.composite
def _impression(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "user_id": draw(st.sampled_from(USERS)),
        "occurred_at": BEGIN + timedelta(minutes=draw(st.integers(0, 4 * 24 * 60 - 1))),
        "arm_id": draw(st.sampled_from([*ARMS, "gone", None])),
        "slot": draw(st.sampled_from([None, 1, 2, 3])),
        "surface": draw(st.sampled_from(["app", "web", None])),
    }


def computed(rows: list[dict[str, Any]], by: str, window: str, decisions: pa.Table | None) -> pa.Table:
    said = {
        name: {**spec, "source": "impressions", "key": ["user_id", by], "window": window}
        for name, spec in SPECS.items()
    }
    wanted = aggregates(TypeAdapter(FeatureSpecs).validate_python(said))
    of_day = FeaturesOfDay({"impressions": wanted}, DAY, decisions is not None, {"topic": TOPICS})
    tables = {"impressions": pa.Table.from_pylist(rows, SCHEMA)}
    return of_day(tables if decisions is None else {**tables, "decisions": decisions})


def by_definition(
    rows: list[dict[str, Any]], by: str, window: str, user: str, at: datetime
) -> dict[str, dict[str, float]]:
    """Of each feature what is not the default. Rows are known once their day is over."""
    known = [
        {**row, "known_at": _end(row["occurred_at"]), "topic": TOPICS.get(row["arm_id"])} for row in rows
    ]
    length = timedelta(hours=int(window[:-1]) * (24 if window.endswith("d") else 1))
    found: dict[str, dict[str, float]] = {}
    for name, spec in SPECS.items():
        found[name] = {}
        for key in {row[by] for row in known} - {None}:
            mine = [row for row in known if row[by] == key]
            value = feature_as_of(mine, {**spec, "window": length}, user, at, at)
            if value is not None and value != spec.get("default", 0.0):
                found[name][key] = value
    return found


def _end(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0) + timedelta(days=1)


@pytest.mark.parametrize("by", ["arm_id", "topic"])
@settings(max_examples=60, deadline=None)
@given(st.lists(_impression(), max_size=40), st.sampled_from(WINDOWS), st.booleans())
def test_features_are_what_their_definition_says(
    by: str, rows: list[dict[str, Any]], window: str, of_decisions: bool
) -> None:
    asked = [
        {"user_id": user, "occurred_at": datetime(2026, 3, 4, hour, tzinfo=UTC)}
        for user in USERS
        for hour in (0, 13)
    ]
    decisions = pa.Table.from_pylist(asked, pa.schema([SCHEMA.field(0), SCHEMA.field(1)]))
    found = computed(rows, by, window, decisions if of_decisions else None).to_pylist()
    moments = {datetime(2026, 3, 5, tzinfo=UTC), *(each["occurred_at"] for each in asked if of_decisions)}
    there = {(row["user_id"], row["as_of"]) for row in found}
    for user, at in product(USERS, moments):
        assert ((user, at) in there) == any(by_definition(rows, by, window, user, at).values())
    for row in found:
        wanted = by_definition(rows, by, window, row["user_id"], row["as_of"])
        for name, values in wanted.items():
            assert dict(row[name]) == pytest.approx(values)
            assert [key for key, _ in row[name]] == sorted(values)


@settings(max_examples=20, deadline=None)
@given(st.lists(_impression(), max_size=20), st.randoms())
def test_the_order_of_rows_has_no_say(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert computed(rows, "topic", "1d", None).equals(computed(shuffled, "topic", "1d", None))


def test_users_of_whom_nothing_is_known_have_nothing_by_arm() -> None:
    at = datetime(2026, 3, 4, 12, tzinfo=UTC)
    shown = {"user_id": USERS[0], "occurred_at": at, "arm_id": "call", "slot": 1, "surface": "app"}
    features = computed([shown], "topic", "1d", None)
    users = pa.table({"user_id": [USERS[1], USERS[0]]})
    known = KnownFeatures({}, False, ("seen",))
    found = known.as_of(users, features, datetime(2026, 3, 5, tzinfo=UTC))
    assert found["seen"].to_pylist() == [None, [("talk", 1.0)]]
    before = known.as_of(users, features.slice(0, 0), datetime(2026, 3, 5, tzinfo=UTC))
    assert before["seen"].to_pylist() == [None, None]
