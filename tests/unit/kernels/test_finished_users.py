"""What came of users of an experiment, beside what was known of each before it was assigned."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.finished_users import PROBABILITIES, VALUES, VARIANT, FinishedUsers
from nightslate.kernels.readouts import Readout
from nightslate.kernels.user_features import KnownFeatures
from nightslate.programs.readouts import Metric

FIRST = date(2026, 3, 10)
INSTANT = pa.timestamp("us", "UTC")
A, B, C, D = (f"{number:032x}" for number in range(4))


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def after(days: int) -> date:
    return FIRST + timedelta(days=days)


def assigned(user: str, day: date, variant: str, probabilities: list[float] | None) -> dict[str, Any]:
    of = {"user_id": user, "experiment": "salt", "slate_date": day}
    return {**of, "variant": variant, "probabilities": probabilities}


TABLES = {
    "assignments": pa.Table.from_pylist(
        [
            assigned(A, FIRST, "new", [0.7, 0.3]),
            assigned(B, FIRST, "old", None),
            assigned(D, FIRST, "old", None),
            assigned(A, after(1), "old", [0.1, 0.9]),
            assigned(C, after(1), "new", [0.4, 0.6]),
        ],
        pa.schema(
            [
                ("user_id", pa.string()),
                ("experiment", pa.string()),
                ("slate_date", pa.date32()),
                ("variant", pa.string()),
                ("probabilities", pa.list_(pa.float64())),
            ]
        ),
    ),
    "impressions": pa.table(
        {
            **{name: pa.array([], pa.string()) for name in ("impression_id", "user_id", "variant", "arm_id")},
            "occurred_at": pa.array([], INSTANT),
        }
    ),
    "outcomes": pa.Table.from_pylist(
        [
            {"user_id": A, "kind": "bought", "occurred_at": at(after(-1))},
            {"user_id": A, "kind": "bought", "occurred_at": at(FIRST)},
            {"user_id": A, "kind": "bought", "occurred_at": at(after(1), 23)},
            {"user_id": A, "kind": "trouble", "occurred_at": at(after(1))},
            {"user_id": A, "kind": "bought", "occurred_at": at(after(2))},
            {"user_id": C, "kind": "bought", "occurred_at": at(after(2))},
        ],
        pa.schema([("user_id", pa.string()), ("kind", pa.string()), ("occurred_at", INSTANT)]),
    ),
    "users": pa.Table.from_pylist(
        [
            {"user_id": user, "ds": after(days), "region": f"{name} {days}"}
            for days in (-1, 0, 1)
            for name, user in (("a", A), ("b", B), ("c", C), ("d", D))
            if (user, days) not in ((D, -1), (C, -1))
        ],
        pa.schema([("user_id", pa.string()), ("ds", pa.date32()), ("region", pa.string())]),
    ),
    "features": pa.Table.from_pylist(
        [
            {"user_id": A, "as_of": at(FIRST, 0), "visits": 3.0},
            {"user_id": A, "as_of": at(FIRST, 9), "visits": 50.0},
            {"user_id": A, "as_of": at(after(1), 0), "visits": 90.0},
        ],
        pa.schema([("user_id", pa.string()), ("as_of", INSTANT), ("visits", pa.float64())]),
    ),
}


def found(**changed: Any) -> list[dict[str, Any]]:
    """Of users who bought within two days, and had trouble within one."""
    metric = {"source": "outcomes", "kind": "mean"}
    settings = {
        "allocated": Allocated(
            "salt", ("new", "old"), {FIRST: (0.5, 0.5), after(1): (0.5, 0.5)}, by_user=True
        ),
        "ds": after(1),
        "metrics": {
            "bought": Metric(**metric, where={"kind": "bought"}, window="2d"),
            "trouble": Metric(**{**metric, "kind": "share"}, where={"kind": "trouble"}, window="1d"),
        },
        "covariates": {},
        "segments": (),
        "arms": pa.table({"arm_id": pa.array([], pa.string())}),
        "costs": {},
        "caps": {},
        **changed,
    }
    known = KnownFeatures({"visits": 0.0}, of_decisions=False)
    return FinishedUsers(Readout(**settings), known, ("region", "visits"))(TABLES).to_pylist()


def test_whose_time_of_every_metric_is_over_counts_and_nobody_else() -> None:
    """At the end of the second day; d was no user on the day before."""
    assert {row["user_id"] for row in found()} == {A, B}
    assert {row["user_id"] for row in found(ds=after(2))} == {A, B, C}
    assert found(ds=FIRST) == []


def test_contexts_and_features_are_those_of_the_end_of_the_day_before() -> None:
    rows = {row["user_id"]: (row["region"], row["visits"]) for row in found(ds=after(2))}
    assert rows == {A: ("a -1", 3.0), B: ("b -1", 0.0), C: ("c 0", 0.0)}


def test_values_are_of_the_time_since_the_first_assignment_whose_variant_and_probabilities_count() -> None:
    rows = {row["user_id"]: row for row in found()}
    assert rows[A][VALUES] == [2.0, 0.0]
    assert rows[B][VALUES] == [0.0, 0.0]
    assert (rows[A][VARIANT], rows[A][PROBABILITIES]) == ("new", [0.7, 0.3])
    assert (rows[B][VARIANT], rows[B][PROBABILITIES]) == ("old", [0.5, 0.5])
    capped = {row["user_id"]: row for row in found(caps={"bought": 1.5})}
    assert capped[A][VALUES] == [1.5, 0.0]
