"""Features as their definition reads, event by event: slow, and written without looking at the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

Event = Mapping[str, Any]


def feature_as_of(
    events: Sequence[Event], spec: Mapping[str, Any], user: str, at: datetime, known: datetime
) -> Any:
    """A feature of a user; None where there is nothing to aggregate. Events have user_id, occurred_at and
    known_at; the spec is one of a YAML file, with its window as a timedelta."""
    window = spec.get("window")
    seen = sorted(
        (
            event
            for event in events
            if event["user_id"] == user
            and event["occurred_at"] < at
            and event["known_at"] <= known
            and (window is None or event["occurred_at"] >= at - window)
        ),
        key=lambda event: event["occurred_at"],
    )
    chosen = [event for event in seen if _holds(event, spec.get("where", {}))]
    kind = spec["aggregation"]
    if kind == "count":
        return len(chosen)
    if kind == "time_since_last":
        return (at - chosen[-1]["occurred_at"]).total_seconds() if chosen else None
    if kind == "rate_per_session":
        visits = _sessions(seen, spec.get("session_gap", timedelta(minutes=30)))
        return len(chosen) / visits if visits else None
    if kind == "time_between":
        return _time_between(seen, spec["where"], spec["until"])
    values = [event[spec["column"]] for event in chosen if event[spec["column"]] is not None]
    if not values:
        return None
    if kind == "last":
        latest = max(event["occurred_at"] for event in chosen if event[spec["column"]] is not None)
        return max(
            event[spec["column"]]
            for event in chosen
            if event["occurred_at"] == latest and event[spec["column"]] is not None
        )
    if kind == "quantile":
        return _quantile(values, spec["quantile"])
    return {
        "sum": math.fsum,
        "mean": lambda found: math.fsum(found) / len(found),
        "min": min,
        "max": max,
        "distinct": lambda found: len(set(found)),
    }[kind](values)


def _holds(event: Event, where: Mapping[str, Any]) -> bool:
    return all(
        event[name] in (wanted if isinstance(wanted, list | tuple) else [wanted])
        for name, wanted in where.items()
    )


def _sessions(events: Sequence[Event], gap: timedelta) -> int:
    count, before = 0, None
    for event in events:
        if before is None or event["occurred_at"] - before >= gap:
            count += 1
        before = event["occurred_at"]
    return count


def _time_between(
    events: Sequence[Event], opens: Mapping[str, Any], closes: Mapping[str, Any]
) -> float | None:
    """Of events at one moment, those that open come first, and those that close come last."""
    either = [event for event in events if _holds(event, opens) or _holds(event, closes)]
    either.sort(key=lambda event: (event["occurred_at"], _holds(event, closes), not _holds(event, opens)))
    opened, times = None, []
    for event in either:
        if opened is not None and _holds(event, closes):
            times.append((event["occurred_at"] - opened).total_seconds())
        opened = event["occurred_at"] if _holds(event, opens) else None
    return math.fsum(times) / len(times) if times else None


def _quantile(values: Sequence[float], which: float) -> float:
    ordered = sorted(values)
    place = which * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
