"""Features as of moments against their definition, over random histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles.features import feature_as_of

from nightslate.core.features import aggregations, ranges
from nightslate.kernels.features import features_as_of, that_matter
from nightslate.programs.features_file import FeaturesFile
from nightslate.records.instants import INSTANT

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
USERS = ["ann", "bob", "eve"]
WINDOWS = ["1m", "3m", "1h", None]
AGGREGATIONS: list[dict[str, Any]] = [
    {"aggregation": "count", "where": {"kind": "view"}},
    {"aggregation": "count"},
    {"aggregation": "sum", "column": "seconds", "where": {"kind": ["view", "error"]}},
    {"aggregation": "mean", "column": "seconds"},
    {"aggregation": "min", "column": "seconds"},
    {"aggregation": "max", "column": "seconds", "where": {"page": "pricing", "kind": "view"}},
    {"aggregation": "last", "column": "seconds"},
    {"aggregation": "last", "column": "page", "where": {"kind": "view"}},
    {"aggregation": "distinct", "column": "page"},
    {"aggregation": "distinct", "column": "seconds"},
    {"aggregation": "quantile", "column": "seconds", "quantile": 0.5},
    {"aggregation": "quantile", "column": "seconds", "quantile": 0.9, "where": {"kind": "view"}},
    {"aggregation": "rate_per_session", "where": {"kind": "error"}, "session_gap": "2m"},
    {"aggregation": "time_since_last", "where": {"kind": "error"}},
    {"aggregation": "time_between", "where": {"kind": "view"}, "until": {"kind": ["view", "error"]}},
    {"aggregation": "time_between", "where": {"kind": "view"}, "until": {"page": "help"}},
]

moments = st.integers(0, 600).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
delays = st.sampled_from([0, 0, 0, 5, 100, 10_000]).map(lambda seconds: timedelta(seconds=seconds))
values = st.none() | st.sampled_from([0.0, 1.0, -2.5, 1e15, 1e-9]) | st.floats(-100, 100)


@st.composite
def _event(draw: st.DrawFn) -> dict[str, Any]:
    at = draw(moments)
    return {
        "user_id": draw(st.sampled_from(USERS)),
        "occurred_at": at,
        "known_at": at + draw(delays),
        "kind": draw(st.sampled_from(["view", "error", "move", None])),
        "page": draw(st.sampled_from(["pricing", "help", None])),
        "seconds": draw(values),
    }


@st.composite
def _moment(draw: st.DrawFn) -> dict[str, Any]:
    at = draw(moments)
    known = at + draw(st.sampled_from([timedelta(0), timedelta(0), timedelta(seconds=-30), timedelta(9)]))
    return {"user_id": draw(st.sampled_from([*USERS, "new"])), "as_of": at, "known_at": known}


SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()),
        ("occurred_at", INSTANT),
        ("known_at", INSTANT),
        ("kind", pa.string()),
        ("page", pa.string()),
        ("seconds", pa.float64()),
    ]
)
NAMES = [*USERS, "new"]


def computed(events: list[dict[str, Any]], asked: list[dict[str, Any]], spec: dict[str, Any]) -> list[Any]:
    features = FeaturesFile.model_validate({"features": {"feature": spec}}).each
    rows = [{**event, "user_id": NAMES.index(event["user_id"])} for event in events]
    user = np.array([NAMES.index(each["user_id"]) for each in asked], dtype=np.int64)
    at, known = (
        np.asarray(pa.array([each[name] for each in asked], INSTANT).cast(pa.int64()))
        for name in ("as_of", "known_at")
    )
    of = that_matter(pa.Table.from_pylist(rows, SCHEMA), features)
    return features_as_of(of, features, user, at, known)["feature"].to_pylist()


def expected(events: list[dict[str, Any]], asked: list[dict[str, Any]], spec: dict[str, Any]) -> list[Any]:
    units = {"m": "minutes", "h": "hours"}
    said = {
        key: timedelta(**{units[value[-1]]: int(value[:-1])}) if key in ("window", "session_gap") else value
        for key, value in spec.items()
    }
    zero = spec["aggregation"] in ("count", "sum", "distinct", "rate_per_session")
    found = [feature_as_of(events, said, each["user_id"], each["as_of"], each["known_at"]) for each in asked]
    return [0.0 if value is None and zero else value for value in found]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("spec", AGGREGATIONS, ids=lambda spec: "-".join(map(str, spec.values())))
@settings(max_examples=60, deadline=None)
@given(events=st.lists(_event(), max_size=25), asked=st.lists(_moment(), min_size=1, max_size=8))
def test_a_feature_is_what_its_definition_gives(
    spec: dict[str, Any], window: str | None, events: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    spec = {**spec, "window": window} if window else spec
    scale = max([1.0, *(abs(event["seconds"]) for event in events if event["seconds"] is not None)])
    for found, wanted in zip(computed(events, asked, spec), expected(events, asked, spec), strict=True):
        if isinstance(wanted, float):
            assert found == pytest.approx(wanted, rel=1e-9, abs=1e-13 * scale)
        else:
            assert found == wanted


@pytest.mark.parametrize("spec", AGGREGATIONS, ids=lambda spec: "-".join(map(str, spec.values())))
def test_windows_of_many_events_too(spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a bot, whose events are gone over in blocks: 400 of one user, 40 of others."""
    for module in (ranges, aggregations):
        monkeypatch.setattr(module, "LONG", 16)
    monkeypatch.setattr(ranges, "_BLOCK", 4)
    monkeypatch.setattr(ranges, "_SORTED", 8)
    draw = np.random.default_rng(7)
    events = [
        {
            "user_id": "bob" if number % 11 else "ann",
            "occurred_at": (at := BEGIN + timedelta(seconds=int(draw.integers(600)))),
            "known_at": at + timedelta(seconds=int(draw.integers(2) * draw.integers(100))),
            "kind": str(draw.choice(["view", "error", "move"])),
            "page": str(draw.choice(["pricing", "help", "home"])),
            "seconds": float(draw.normal()) if draw.integers(5) else None,
        }
        for number in range(440)
    ]
    asked = [
        {
            "user_id": user,
            "as_of": BEGIN + timedelta(seconds=at),
            "known_at": BEGIN + timedelta(seconds=at + more),
        }
        for user in ("bob", "ann", "eve")
        for at in (10, 333, 600)
        for more in (0, 1000)
    ]
    for window in ("4m", None):
        of_window = {**spec, "window": window} if window else spec
        for found, wanted in zip(
            computed(events, asked, of_window), expected(events, asked, of_window), strict=True
        ):
            assert found == (
                pytest.approx(wanted, rel=1e-9, abs=1e-12) if isinstance(wanted, float) else wanted
            )
