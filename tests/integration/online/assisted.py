"""A program that is served: days of its logs, its nights, and a clock that a test moves."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from nightslate import programs
from nightslate.engines import LocalEngine
from nightslate.pipeline.night import Night
from tests.integration.nights import DOCS, run_night

PROGRAM = "assisted"
DAYS = [date(2024, 5, 1) + timedelta(days=number) for number in range(3)]
TODAY = DAYS[-1] + timedelta(days=1)
USERS, ARMS = 24, ("call", "nothing", "pause", "tour")
Row = dict[str, Any]

SPEC = """
program: assisted
description: Help at the moment at which somebody needs it.
start_date: 2024-05-01
buckets: 2
slots: 1
depth: 3
floor: 0.3
logs:
  propensity: marginal
  context: [{name: segment, type: category}, {name: age, type: number}]
  arm_features: [{name: about, type: category}]
  activity:
    columns: [{name: page, type: category}, {name: seconds, type: number}]
    kinds: [view, error]
features:
  errors: {aggregation: count, where: {kind: error}, windows: [12h, 2d]}
  pricing_seconds:
    {aggregation: sum, column: seconds, where: {page: pricing}, window: 36h, boundaries: [1, 50]}
  last_page: {aggregation: last, column: page, window: 2d, default: none}
  pages: {aggregation: distinct, column: page, window: 2d}
  since_error: {aggregation: time_since_last, where: {kind: error}, window: 2d, default: 1000000}
features_as_of: temporal
serving: {late: 10m}
rewards: {values: {click: 1.0}, window: 6h}
learners:
  uniform: {kind: uniform}
  linear_ucb: {kind: linear_ucb, pooling: hybrid}
variants:
  personalised: {share: 0.7, policy: champion}
  randomised: {share: 0.3, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: linear_ucb, min_ess: 10.0, min_users: 2}
"""


class MovedClock:
    """Goes on by a second whenever somebody looks."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def moment(day: date, hours: float) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hours)


def write_program(spec: str = SPEC) -> None:
    (Path(os.environ["NIGHTSLATE_DAGS"]) / f"{PROGRAM}.yaml").write_text(spec)


def night(home: Path, ds: date) -> Night:
    return Night(programs.find(PROGRAM), ds, home, LocalEngine(processes=1))


def context(user: int) -> Row:
    return {"segment": ("new", "old")[user % 2], "age": 20.0 + user}


def activity(random: np.random.Generator, at: datetime, rows: int) -> list[Row]:
    """What a user has done in the hours before."""
    return [
        {
            "occurred_at": (at - timedelta(seconds=int(random.integers(1, 7200)))).isoformat(),
            "kind": str(random.choice(["view", "error", "hover"])),
            "page": str(random.choice(["pricing", "help", "home"])),
            "seconds": float(random.integers(1, 600)) / 7 if random.integers(4) else None,
        }
        for _ in range(rows)
    ]


def land(home: Path, ds: date, logs: dict[str, list[Row]]) -> None:
    for log, rows in logs.items():
        folder = home / "landing" / PROGRAM / log / f"ds={ds}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part-0.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (folder / "_SUCCESS").touch()


def others_logs(outcomes: list[Row]) -> dict[str, list[Row]]:
    """What the app does not land."""
    return {
        "outcomes": outcomes,
        "users": [{"user_id": f"user-{user}", **context(user)} for user in range(USERS)],
        "arms": [{"arm_id": arm, "about": arm[0]} for arm in ARMS],
    }


def land_before(home: Path, number: int) -> None:
    """A day before the app: another engine has shown arms at random."""
    random, day = np.random.default_rng(number), DAYS[number]
    shown, done, events = list[Row](), list[Row](), list[Row]()
    for row in range(80):
        user, arm = int(random.integers(USERS)), str(random.choice(ARMS))
        at, name = moment(day, 0.25 * row + 0.1), f"{day}-{row}"
        of_user = {"user_id": f"user-{user}", **context(user)}
        shown.append(
            {
                "impression_id": name,
                "decision_id": name,
                "slot": 1,
                "occurred_at": at.isoformat(),
                "arm_id": arm,
                "propensity": 1 / len(ARMS),
                **of_user,
            }
        )
        if random.random() < (0.7 if (arm == "tour") == (user % 2 == 0) else 0.1):
            done.append(click(name, f"user-{user}", at))
        events += [
            {"user_id": f"user-{user}", **event, "landed_at": event["occurred_at"]}
            for event in activity(random, at + timedelta(hours=2), 2)
            if event["occurred_at"][:10] == str(day)
        ]
    land(home, day, {"impressions": shown, "activity": events, **others_logs(done)})


def click(impression_id: str, user_id: str, at: datetime) -> Row:
    return {
        "outcome_id": f"click-{impression_id}",
        "user_id": user_id,
        "kind": "click",
        "value": 1.0,
        "occurred_at": (at + timedelta(seconds=9)).isoformat(),
        "impression_id": impression_id,
    }


def nights_before(home: Path) -> None:
    for number in range(len(DAYS)):
        land_before(home, number)
    for day in DAYS:
        run_night(night(home, day), but=DOCS if day < DAYS[-1] else ())
