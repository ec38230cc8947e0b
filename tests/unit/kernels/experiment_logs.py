"""Logs of an experiment whose shares change, made at random."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

START = date(2026, 3, 10)
DAYS, USERS, SALT = 12, 60, "spring"
DS = START + timedelta(days=DAYS - 1)
END = datetime.combine(DS + timedelta(days=1), datetime.min.time(), UTC)
SHARES = {START + timedelta(days=n): (0.2, 0.8) if n < 5 else (0.6, 0.4) for n in range(DAYS)}
VARIANTS = ("new", "old")
INSTANT = pa.timestamp("us", "UTC")
TOPICS = {"a": "core", "b": "beyond", "c": "core"}
COSTS = {"b": 0.25}


def moment(dice: np.random.Generator, first: int, last: int) -> datetime:
    """On the hour now and then, so that ends of windows are met."""
    hours = float(dice.uniform(24 * first, 24 * last))
    hours = round(hours) if dice.random() < 0.3 else hours
    return datetime.combine(START, datetime.min.time(), UTC) + timedelta(hours=hours)


def logs(seed: int) -> dict[str, list[dict[str, Any]]]:
    dice = np.random.default_rng(seed)
    assignments, impressions, outcomes, credits = [], [], [], []
    for user in range(USERS):
        name, since = f"{user:032x}", int(dice.integers(0, DAYS))
        variant = VARIANTS[int(dice.random() > 0.5)]
        for number in range(since, DAYS):
            moved = number > since + 4 and dice.random() < 0.3
            assignments.append(
                {
                    "user_id": name,
                    "experiment": SALT if dice.random() < 0.9 or number == since else "other",
                    "variant": VARIANTS[1 - VARIANTS.index(variant)] if moved else variant,
                    "slate_date": START + timedelta(days=number),
                }
            )
        for row in range(int(dice.integers(0, 9))):
            at = moment(dice, max(0, since - 2), DAYS)
            shown = {
                "impression_id": f"{name}-{row}",
                "user_id": name,
                "occurred_at": at,
                "variant": variant if dice.random() < 0.8 else None,
                "arm_id": "abc"[int(dice.integers(3))],
                "device": ["web", "app", None][int(dice.integers(3))],
            }
            impressions.append(shown)
            for _ in range(int(dice.integers(0, 3))):
                lag = float(dice.integers(0, 4 * 86_400))
                earned_at = at + timedelta(seconds=lag)
                if earned_at < END:
                    credits.append(
                        {
                            "impression_id": shown["impression_id"],
                            "lag_seconds": lag,
                            "ds": earned_at.date(),
                            "credit": float(dice.normal()),
                        }
                    )
        outcomes += [
            {
                "user_id": name,
                "occurred_at": moment(dice, -6, DAYS),
                "kind": ["click", "task"][int(dice.integers(2))],
                "value": float(dice.integers(0, 4)),
            }
            for _ in range(int(dice.integers(0, 12)))
        ]
    assignments.sort(key=lambda row: (row["slate_date"], row["user_id"]))
    return {
        "assignments": assignments,
        "impressions": impressions,
        "outcomes": outcomes,
        "credits": credits,
    }


def with_own_probabilities(
    rows: dict[str, list[dict[str, Any]]], seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Of a third of users nothing but the shares of the day, of others their own, now and then 0."""
    dice, found = np.random.default_rng(seed), dict[str, list[float] | None]()
    changed = []
    for row in rows["assignments"]:
        other = float(dice.choice([0.0, 0.1, 0.4, 0.7], p=[0.1, 0.3, 0.3, 0.3]))
        own = [other, other]
        own[VARIANTS.index(row["variant"])] = 1 - other
        first = found.setdefault(row["user_id"], None if dice.random() < 1 / 3 else own)
        changed.append({**row, "probabilities": first if row["experiment"] == SALT else None})
    return {**rows, "assignments": changed}


def tables(rows: dict[str, list[dict[str, Any]]]) -> dict[str, pa.Table]:
    text, number = pa.string(), pa.float64()
    schemas = {
        "assignments": {
            "user_id": text,
            "experiment": text,
            "variant": text,
            "slate_date": pa.date32(),
            "probabilities": pa.list_(number),
            "path_probability": number,
        },
        "impressions": {
            **dict.fromkeys(("impression_id", "user_id", "variant", "arm_id", "device"), text),
            "occurred_at": INSTANT,
        },
        "outcomes": {"user_id": text, "occurred_at": INSTANT, "kind": text, "value": number},
        "credits": {"impression_id": text, "lag_seconds": number, "ds": pa.date32(), "credit": number},
    }
    return {
        name: pa.Table.from_pylist(rows[name], pa.schema(list(of.items()))) for name, of in schemas.items()
    }
