"""Days that are merged against the events that they are of: equal features, to the last bit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from nightslate.kernels import feature_states
from nightslate.kernels.feature_states import MergedDay, outside
from nightslate.kernels.user_features import FeaturesOfDay
from nightslate.programs.feature_states import states_of, that_merge
from nightslate.programs.features import Aggregate, FeatureSpecs, aggregates, by_source
from nightslate.records.instants import INSTANT

USERS = [letter * 32 for letter in "abe"]
DS = date(2026, 3, 8)
START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = [START.date() + timedelta(days=number) for number in range(8)]
WINDOWS = ["12h", "1d", "30h", "3d", "7d"]
COLUMNS = pa.schema(
    [
        ("user_id", pa.string()),
        ("occurred_at", INSTANT),
        ("landed_at", INSTANT),
        ("kind", pa.string()),
        ("page", pa.string()),
        ("seconds", pa.float64()),
    ]
)
EACH: dict[str, Any] = {"windows": WINDOWS}
LONG: dict[str, Any] = {"window": "7d", "default": 0.0}
SECONDS: dict[str, Any] = {"column": "seconds", "default": 0.0}
SPECS: dict[str, dict[str, Any]] = {
    "events": {"aggregation": "count", **EACH},
    "errors": {"aggregation": "count", "where": {"kind": "error"}, **EACH},
    "spent": {"aggregation": "sum", "column": "seconds", "where": {"kind": ["view", "error"]}, **EACH},
    "mean_spent": {"aggregation": "mean", **SECONDS, **EACH},
    "shortest": {"aggregation": "min", **SECONDS, **EACH},
    "longest": {"aggregation": "max", **SECONDS, **LONG},
    "last_seconds": {"aggregation": "last", **SECONDS, **LONG},
    "last_page": {
        "aggregation": "last",
        "column": "page",
        "where": {"kind": "view"},
        "default": "",
        **EACH,
    },
    "pages": {"aggregation": "distinct", "column": "page", **EACH},
    "lengths": {"aggregation": "distinct", "column": "seconds", "where": {"kind": "view"}, **LONG},
    "since_error": {"aggregation": "time_since_last", "where": {"kind": "error"}, **LONG},
    "since_first": {"aggregation": "time_since_first", "default": 1e9, **EACH},
    "median": {"aggregation": "quantile", "quantile": 0.5, **SECONDS, "window": "3d"},
    "visits": {"aggregation": "rate_per_session", "where": {"kind": "error"}, "window": "7d"},
}
FEATURES = aggregates(TypeAdapter(FeatureSpecs).validate_python(SPECS))


def _events(random: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Up to several of a user and minute; some of them land days later."""
    minutes = random.integers(0, 8 * 24 * 60, count) // random.choice([1, 60], count) * random.choice([1, 60])
    at = [START + timedelta(minutes=int(minute)) for minute in np.minimum(minutes, 8 * 24 * 60 - 1)]
    late = [timedelta(hours=int(hours)) for hours in random.choice([0, 20, 60], count, p=[0.97, 0.02, 0.01])]
    return [
        {
            "user_id": random.choice(USERS),
            "occurred_at": moment,
            "landed_at": moment + behind,
            "kind": random.choice(["view", "error", "hover"]),
            "page": random.choice(["pricing", "help", "home", None]),
            "seconds": random.choice([None, 0.0, 0.1, 1e15, float(random.normal())]),
        }
        for moment, behind in zip(at, late, strict=True)
    ]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, COLUMNS)


def _states(events: pa.Table, days: frozenset[date]) -> pa.Table:
    """Of each of the days, as the nights write them."""
    merged = MergedDay(states_of(that_merge(FEATURES)))
    of_days = [
        merged({"activity": _day(events, day)}).select(feature_states.COLUMNS) for day in DAYS if day in days
    ]
    return pa.concat_tables(
        of_days or [merged({"activity": events.slice(0, 0)}).select(feature_states.COLUMNS)]
    )


def _day(events: pa.Table, day: date) -> pa.Table:
    return outside(events, [other for other in DAYS if other != day])


def _whole(events: pa.Table, first_moment: datetime) -> frozenset[date]:
    """The days that no window of any moment from the first on cuts, and of which all was known by then."""
    late = {row["occurred_at"].date() for row in events.to_pylist() if row["landed_at"] > first_moment}
    ends = [first_moment, datetime(2026, 3, 9, tzinfo=UTC)]
    lengths = {each.window for each in FEATURES if each.window}
    cut = {
        day
        for day in DAYS
        for length in lengths
        if ends[0] - length < datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        and datetime.combine(day, datetime.min.time(), UTC) < ends[1] - length
    }
    return frozenset(DAYS) - late - cut - {DS}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 300),
    decided=st.none() | st.lists(st.integers(0, 1439), max_size=4),
    chosen=st.sets(st.sampled_from(DAYS)),
)
def test_features_of_merged_days_are_those_of_their_events(
    seed: int, count: int, decided: list[int] | None, chosen: set[date]
) -> None:
    events = _table(_events(np.random.default_rng(seed), count))
    midnight = datetime.combine(DS, datetime.min.time(), UTC)
    first_moment = midnight + timedelta(days=1) if decided is None else midnight
    merged = _whole(events, first_moment) & chosen
    tables = {"activity": events}
    if decided is not None:
        at = [midnight + timedelta(minutes=minute) for minute in decided]
        tables["decisions"] = pa.table(
            {"user_id": pa.array(USERS[:1] * len(at), pa.string()), "occurred_at": pa.array(at, INSTANT)}
        )
    of_events = FeaturesOfDay(by_source(FEATURES), DS, decided is not None)(tables)
    of_states = FeaturesOfDay(by_source(FEATURES), DS, decided is not None, merged=merged)(
        {**tables, "feature_states": _states(events, merged)}
    )
    assert of_states.equals(of_events)


def test_days_are_read_merged() -> None:
    """What the states say counts, not the events of the day."""
    at = [START + timedelta(days=day) for day in (2, 2, 7)]
    what = {"user_id": USERS[0], "kind": "view", "page": None, "seconds": 2.0}
    events = _table([{**what, "occurred_at": moment, "landed_at": moment} for moment in at])
    merged = frozenset([DAYS[2]])
    states = _states(events, merged)
    wanted: tuple[Aggregate, ...] = tuple(each for each in FEATURES if each.name in ("events_7d", "spent_7d"))
    computed = FeaturesOfDay(by_source(wanted), DS, of_decisions=False, merged=merged)
    (row,) = computed({"activity": events, "feature_states": states}).to_pylist()
    assert (row["events_7d"], row["spent_7d"]) == (3.0, 6.0)
    place = states.column_names.index("events")
    twice = states.set_column(place, "events", pa.array([4] * states.num_rows))
    (row,) = computed({"activity": events, "feature_states": twice}).to_pylist()
    assert row["events_7d"] == 5.0
