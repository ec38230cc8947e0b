"""Small histories of impressions and outcomes, and the kernel in the oracle's words."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from tests.oracles.attribution import Attributed, Row, Terms

from nightslate.core.attribution import Rule
from nightslate.kernels.attribution import Attributor

START = datetime(2026, 11, 16, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
History = tuple[list[Row], list[Row]]
ARMS = ("a", "b", "c", "d")
TOPICS = {"a": "save", "b": "save", "c": "plan"}  # d has none, and no impression shows e
KINDS = ("click", "task", "view", "cancel")
VALUES = {"click": 0.25, "task": 1.0, "cancel": -0.5}

_STAMP = pa.timestamp("us", "UTC")
_SHOWN = {
    "impression_id": pa.string(),
    "user_id": pa.string(),
    "arm_id": pa.string(),
    "slot": pa.int32(),
    "occurred_at": _STAMP,
}
_DONE = {
    "outcome_id": pa.string(),
    "user_id": pa.string(),
    "kind": pa.string(),
    "value": pa.float64(),
    "occurred_at": _STAMP,
    "arm_id": pa.string(),
    "impression_id": pa.string(),
}


def at(hours: float) -> datetime:
    return START + hours * HOUR


def shown(number: object, hours: float = 0, arm: str = "a", slot: int = 1, user: str = "u") -> Row:
    return {
        "impression_id": f"i{number}",
        "user_id": user,
        "arm_id": arm,
        "slot": slot,
        "occurred_at": at(hours),
    }


def done(
    number: object,
    hours: float = 5,
    kind: str = "click",
    value: float = 1.0,
    arm: str | None = None,
    impression: str | None = None,
    user: str = "u",
) -> Row:
    return {
        "outcome_id": f"o{number}",
        "user_id": user,
        "kind": kind,
        "value": value,
        "occurred_at": at(hours),
        "arm_id": arm,
        "impression_id": impression,
    }


def history(user: str, random: Random) -> History:
    """One user's impressions and outcomes of three days, on few moments or one tick beside them,
    in any order."""

    def moment(first: int, last: int) -> float:
        return random.randint(first, last) * 4 + random.choice((0, 0, 0, 0, TICK / HOUR, -TICK / HOUR))

    impressions = [
        shown(f"{n}-{user}", moment(0, 17), random.choice(ARMS), random.randint(1, 2), user)
        for n in range(random.randint(0, 12))
    ]
    named = [one["impression_id"] for one in impressions] + ["i0-u0", "unknown"]
    outcomes = [
        done(
            f"{n}-{user}",
            moment(5, 17),
            random.choice(KINDS),
            random.choice((1.0, 1.0, 0.5, 3.0, 0.0, -1.0)),
            random.choice((None, *ARMS, "e")),
            random.choice((None, None, random.choice(named))),
            user,
        )
        for n in range(random.randint(0, 8))
    ]
    return random.sample(impressions, len(impressions)), random.sample(outcomes, len(outcomes))


def attributor(terms: Terms) -> Attributor:
    half_life = None if terms.half_life is None else terms.half_life // TICK
    return Attributor(
        Rule(terms.rule, half_life, terms.max_touches),
        terms.match,
        terms.window,
        values=terms.values,
        windows=terms.windows,
        matches=terms.matches,
        decay=terms.decay,
        cap=terms.cap,
        max_outcomes=terms.max_outcomes,
        skew=terms.skew,
        topics=terms.topics,
    )


def table(rows: Iterable[Row], columns: Mapping[str, pa.DataType]) -> pa.Table:
    """The rows with those of the columns that they have, or with all of them if there are no rows."""
    rows = list(rows)
    names = [name for name in columns if not rows or name in rows[0]]
    return pa.Table.from_pylist(rows, pa.schema([(name, columns[name]) for name in names]))


def impressions_table(rows: Iterable[Row]) -> pa.Table:
    return table(rows, _SHOWN)


def outcomes_table(rows: Iterable[Row]) -> pa.Table:
    return table(rows, _DONE)


def kernel(impressions: Iterable[Row], outcomes: Iterable[Row], terms: Terms) -> Attributed:
    """What the kernel finds, in the oracle's form. No outcome may be credited to an impression twice."""
    found = attributor(terms).attribute(impressions_table(impressions), outcomes_table(outcomes))
    rows = [row for piece in found.credits() for row in piece.to_pylist()]
    lost = found.unattributed.to_pylist()
    result = Attributed(
        {(row.pop("outcome_id"), row.pop("impression_id")): row for row in rows},
        {row.pop("outcome_id"): row for row in lost},
    )
    assert len(result.credits) == len(rows)
    assert len(result.unattributed) == len(lost)
    return result


def credited(
    impressions: Iterable[Row], outcomes: Iterable[Row], terms: Terms
) -> dict[str, dict[str, float]]:
    """The credits of the kernel, by outcome and impression."""
    result: dict[str, dict[str, float]] = {}
    for (outcome, impression), row in kernel(impressions, outcomes, terms).credits.items():
        result.setdefault(outcome, {})[impression] = row["credit"]
    return result


def reasons(impressions: Iterable[Row], outcomes: Iterable[Row], terms: Terms) -> dict[str, str]:
    """Why outcomes have no credit, by outcome."""
    lost = kernel(impressions, outcomes, terms).unattributed
    return {outcome: row["reason"] for outcome, row in lost.items()}


def close(expected: Attributed, terms: Terms) -> Any:
    """Equal to `expected` but for rounding: of the credits, or of the cap that they are the rest of."""

    def near(number: float) -> Any:
        return pytest.approx(number, rel=1e-12, abs=1e-14 * (terms.cap or 0.0))

    rows = {
        key: {**row, "credit": near(row["credit"]), "value": near(row["value"])}
        for key, row in expected.credits.items()
    }
    return Attributed(rows, expected.unattributed)
