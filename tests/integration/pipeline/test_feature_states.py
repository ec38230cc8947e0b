"""Nights that read earlier days merged against nights that read all that happened on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nightslate.pipeline.feature_states import DaysBefore
from nightslate.pipeline.running import run_step
from tests.integration.nights import Declared, run_night

from . import world

pytestmark = pytest.mark.e2e

PROGRAM = "busy"
DAYS = [date(2024, 5, 1) + timedelta(days=number) for number in range(7)]
USERS, EVENTS, LATE, ARMS = 6, 300, 2, ("call", "nothing")

SPEC = """
program: busy
description: Few users who do much.
start_date: 2024-05-01
buckets: 2
slots: 1
depth: 2
floor: 0.3
logs:
  propensity: marginal
  context: [{name: segment, type: category}]
  activity:
    columns: [{name: page, type: category}, {name: seconds, type: number}]
    kinds: [view, error]
features:
  errors: {aggregation: count, where: {kind: error}, windows: [1d, 30h, 5d]}
  spent: {aggregation: sum, column: seconds, windows: [3d, 5d]}
  mean_spent: {aggregation: mean, column: seconds, where: {kind: view}, window: 6d, default: 0}
  longest: {aggregation: max, column: seconds, window: 5d, default: 0}
  pages: {aggregation: distinct, column: page, window: 5d}
  last_page: {aggregation: last, column: page, where: {kind: error}, window: 5d, default: none}
  since_view: {aggregation: time_since_first, where: {kind: view}, window: 5d, default: 0}
  median: {aggregation: quantile, quantile: 0.5, column: seconds, window: 2d, default: 0}
  clicks: {source: outcomes, aggregation: count, where: {kind: click}, window: 5d}
features_as_of: snapshot
rewards: {values: {click: 1.0}, window: 6h}
learners:
  uniform: {kind: uniform}
variants:
  randomised: {share: 1.0, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""
AS_OF = {
    name: SPEC.replace("features_as_of: snapshot", f"features_as_of: {name}")
    for name in ("snapshot", "temporal")
}
LOGS = ("ingest", "attribute", "features")
DECLARED = Declared(PROGRAM, DAYS)
night = DECLARED.night


def activity(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Most of it is known at once, some up to a day later; of one day up to three."""
    random = np.random.default_rng([seed, number])
    start = datetime.combine(DAYS[number], datetime.min.time(), UTC)
    events = []
    for _ in range(EVENTS):
        at = start + timedelta(seconds=int(random.integers(86_400)))
        days = 3 if number == LATE else 1
        late = timedelta(seconds=int(random.integers(days * 86_400))) * int(random.integers(4) == 0)
        events.append(
            {
                "user_id": f"user-{random.integers(USERS)}",
                "occurred_at": at.isoformat(),
                "kind": str(random.choice(["view", "error", "hover"])),
                "landed_at": (at + late).isoformat(),
                "page": str(random.choice(["pricing", "help", "home"])),
                "seconds": float(random.normal()) if random.integers(4) else None,
            }
        )
    return events


def land(home: Path, number: int, seed: int = 0) -> None:
    at = datetime.combine(DAYS[number], datetime.min.time(), UTC) + timedelta(hours=7)
    shown = [
        {
            "impression_id": f"{number}-{user}",
            "decision_id": f"{number}-{user}",
            "slot": 1,
            "occurred_at": (at + timedelta(hours=user)).isoformat(),
            "user_id": f"user-{user}",
            "segment": "all",
            "arm_id": ARMS[user % 2],
            "propensity": 0.5,
        }
        for user in range(USERS)
    ]
    done = [
        {
            "outcome_id": row["impression_id"],
            "user_id": row["user_id"],
            "kind": "click",
            "value": 1.0,
            "occurred_at": row["occurred_at"],
            "impression_id": row["impression_id"],
        }
        for row in shown[:3]
    ]
    logs = {
        "impressions": shown,
        "outcomes": done,
        "users": [{"user_id": f"user-{user}", "segment": "all"} for user in range(USERS)],
        "arms": [{"arm_id": arm} for arm in ARMS],
        "activity": activity(number, seed),
    }
    world.land_logs(home, PROGRAM, DAYS[number], logs)


def run_all(home: Path) -> list[str]:
    """All days land, and a night runs for each. Returns what the steps of features said."""
    for number in range(len(DAYS)):
        land(home, number)
    return [run_night(night(home, number), *LOGS)["features"] for number in range(len(DAYS))]


def features(home: Path) -> list[dict[str, Any]]:
    rows = night(home, 0).table("features").rows().to_pylist()
    return sorted(rows, key=lambda row: (row["ds"], row["as_of"], row["user_id"]))


@contextmanager
def nothing_read_merged() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DaysBefore, "merged", lambda _: frozenset())
        yield


def run_by_events(home: Path) -> list[dict[str, Any]]:
    with nothing_read_merged():
        run_all(home)
    return features(home)


@pytest.mark.parametrize("as_of", list(AS_OF))
def test_features_are_those_of_the_events(as_of: str, tmp_path: Path, program: None) -> None:
    DECLARED.write(AS_OF[as_of])
    said = run_all(tmp_path / "merged")
    assert "and the states of" in said[-1]
    assert features(tmp_path / "merged") == run_by_events(tmp_path / "events")


def test_a_night_reads_the_rows_of_the_new_day_and_of_a_day_that_a_window_cuts(
    tmp_path: Path, program: None
) -> None:
    DECLARED.write("\n".join(line for line in SPEC.splitlines() if not line.startswith("  median")))
    *_, said = run_all(tmp_path)
    # 30 hours cut the day before; of the five days before that all was known by tonight.
    assert f"from {2 * (EVENTS + 3)} events and the states of 5 days" in said


def test_a_day_that_lands_again_is_merged_anew(tmp_path: Path, program: None) -> None:
    DECLARED.write(SPEC)
    run_all(tmp_path / "merged")
    again, last = 3, len(DAYS) - 1
    land(tmp_path / "merged", again, seed=1)
    run_night(night(tmp_path / "merged", again), "ingest", "attribute")
    run_step("features", night(tmp_path / "merged", last))
    tonight = [row for row in features(tmp_path / "merged") if row["ds"] == DAYS[last]]
    for number in range(len(DAYS)):
        land(tmp_path / "events", number, seed=int(number == again))
        run_night(night(tmp_path / "events", number), "ingest", "attribute")
    with nothing_read_merged():
        run_step("features", night(tmp_path / "events", last))
    assert tonight == [row for row in features(tmp_path / "events") if row["ds"] == DAYS[last]]


def test_what_an_edited_program_aggregates_is_merged_anew(tmp_path: Path, program: None) -> None:
    DECLARED.write(SPEC.replace("where: {kind: error}, windows", "where: {kind: view}, windows"))
    run_all(tmp_path / "merged")
    DECLARED.write(SPEC)
    assert "computed anew" in run_step("features", night(tmp_path / "merged"))
    assert features(tmp_path / "merged")[-USERS:] == run_by_events(tmp_path / "events")[-USERS:]
