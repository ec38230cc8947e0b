"""What a night pays for features of four weeks of activity, with all of its rows read, and with the days
before merged. Prints times, memory and ratios; both are held against each other.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from rich.console import Console
from rich.table import Table
from tests.benchmarks.attribution.histories import hex_texts
from tests.benchmarks.features.simulated import KINDS, PAGES
from tests.benchmarks.features.test_speed import alone

from nightslate import programs
from nightslate.core.hashing import mix, seed, uniform
from nightslate.engines import LocalEngine
from nightslate.kernels.buckets import buckets_of, dealt_out
from nightslate.pipeline.feature_states import DaysBefore
from nightslate.pipeline.night import Night
from nightslate.pipeline.steps.features import write_users

DAYS, EVENTS_A_DAY = 29, 500_000
FIRST = date(2026, 1, 1)
SPEC: dict[str, Any] = yaml.safe_load(
    """
program: busy
description: Four weeks of raw signals.
start_date: 2026-01-01
buckets: 8
slots: 1
depth: 2
floor: 0.3
logs:
  propensity: marginal
  context: [{name: segment, type: category}]
  activity:
    columns: [{name: page, type: category}, {name: seconds, type: number}]
    kinds: [page_view, scroll, error, help, click]
features:
  views: {aggregation: count, where: {kind: page_view}, windows: [1d, 7d, 28d]}
  pricing_seconds:
    {aggregation: sum, column: seconds, where: {kind: page_view, page: pricing}, windows: [7d, 28d]}
  seconds_a_view: {aggregation: mean, column: seconds, where: {kind: page_view}, window: 28d, default: 0}
  longest_view: {aggregation: max, column: seconds, where: {kind: page_view}, window: 28d, default: 0}
  errors: {aggregation: count, where: {kind: error}, windows: [7d, 28d]}
  pages: {aggregation: distinct, column: page, window: 7d}
  last_page: {aggregation: last, column: page, where: {kind: page_view}, window: 28d, default: none}
  since_error: {aggregation: time_since_last, where: {kind: error}, window: 28d, default: 2419200}
rewards: {values: {click: 1.0}, window: 6h}
learners: {uniform: {kind: uniform}}
variants: {randomised: {share: 1.0, policy: uniform}}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""
)


@pytest.mark.parametrize("users", [20_000, 2_000])
def test_a_night_of_four_weeks(users: int, tmp_path: Path) -> None:
    program = tmp_path / "busy.yaml"
    program.write_text(yaml.safe_dump(SPEC))
    for number in range(DAYS):
        _land(_night(program, tmp_path, number), users)
    last, before = DAYS - 1, DAYS - 2
    _merge(program, tmp_path, before)  # as the nights before have done
    work = {
        "the rows of four weeks": partial(_features, program, tmp_path, last, False),
        "the day before merged": partial(_merge, program, tmp_path, last),
        "the new day and merged days": partial(_features, program, tmp_path, last, True),
    }
    took, found = {}, []
    for name, each in work.items():
        took[name] = alone(each)
        found.append(_night(program, tmp_path, last).table("features").rows())
    assert found[0].equals(found[-1])
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "time", "x all rows", "memory"):
        table.add_column(column, justify="right" if column else "left")
    for name, (seconds, peak) in took.items():
        ratio = seconds / took["the rows of four weeks"][0]
        table.add_row(name, f"{seconds:.1f} s", f"{ratio:.2f}", f"{peak / 2**30:.2f} GB")
    console = Console(width=110)
    console.print(
        f"\n12 features of four weeks of {EVENTS_A_DAY:,} events a day, {users:,} users,"
        f" {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
        highlight=False,
    )
    console.print(table)


def _night(program: Path, home: Path, number: int) -> Night:
    return Night(programs.load(program), FIRST + timedelta(days=number), home, LocalEngine(processes=1))


def _land(night: Night, users: int) -> None:
    """A day of activity, as ingest leaves it."""
    table = night.table("activity")
    attempt = table.begin(night.ds)
    rows, order = _activity(night.ds, users), [("user_id", "ascending"), ("occurred_at", "ascending")]
    for bucket, part in dealt_out(rows, buckets_of(rows, night.program.buckets)):
        attempt.write(part.sort_by(order), bucket)
    table.publish(attempt.seal(), night.commit_metadata)


def _activity(day: date, users: int) -> pa.Table:
    """A row a number, of which each value is a hash."""
    rows = np.arange(EVENTS_A_DAY, dtype=np.uint64)

    def keys(what: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return mix(rows, seed("activity", what, f"{day}"))

    def drawn(what: str, names: tuple[str, ...]) -> pa.Array:
        return pa.array(names).take(pa.array(keys(what) % np.uint64(len(names))))

    who = keys("who") % np.uint64(users)
    first = np.datetime64(day, "us")
    at = first + (uniform(keys("when")) * 86_400_000_000).astype("timedelta64[us]")
    return pa.table(
        {
            "user_id": hex_texts(mix(who, seed("user")), mix(who, seed("more of the user"))),
            "occurred_at": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "kind": drawn("kind", KINDS),
            "landed_at": pa.nulls(EVENTS_A_DAY, pa.timestamp("us", "UTC")),
            "page": drawn("page", PAGES),
            "seconds": -30 * np.log(uniform(keys("seconds"))),
        }
    )


def _merge(program: Path, home: Path, number: int) -> None:
    _days_before(_night(program, home, number)).merge()


def _days_before(night: Night) -> DaysBefore:
    return DaysBefore.of(night, {"activity": night.table("activity")}, night.table("feature_states"))


def _features(program: Path, home: Path, number: int, merged: bool) -> None:
    night = _night(program, home, number)
    users, arms, features = (night.table(name) for name in ("users", "arms", "features"))
    before = _days_before(night)
    with pytest.MonkeyPatch.context() as patched:
        if not merged:
            patched.setattr(DaysBefore, "merged", lambda _: frozenset())
        write_users(night, before.logs, users, arms, before, features)
