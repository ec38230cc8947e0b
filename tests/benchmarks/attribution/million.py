"""A program with a million users or more and as many impressions a day: the tables of the days before, and
what lands on the last one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightslate.core.arrays import Ints
from nightslate.core.hashing import hex_to_uint64
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import with_meaning

PROGRAM = "million"
DAYS = tuple(date(2026, 1, day) for day in range(1, 15))
ARMS = tuple(f"arm-{arm:02d}" for arm in range(30))
SLOTS, BUCKETS = 3, 32
LANDED_FILES = 4

SPEC = f"""
program: {PROGRAM}
description: A million users and a million impressions a day, three of thirty arms at a time.
start_date: {DAYS[0]}
slots: {SLOTS}
depth: 10
buckets: {BUCKETS}
logs:
  propensity: conditional
  context:
    - {{name: device, type: category}}
    - {{name: segment, type: category}}
    - {{name: plan, type: category}}
    - {{name: age, type: number}}
    - {{name: days_since_enrolment, type: number, boundaries: [7, 30, 90]}}
rewards:
  values: {{click: 1.0}}
  window: 2d
  attribution: {{match: user_arm}}
training: {{window_days: 14}}
learners:
  uniform: {{kind: uniform}}
  linear_ucb: {{kind: linear_ucb}}
  linear_thompson: {{kind: linear_thompson, draws: 64}}
floor: 0.1
variants:
  personalised: {{share: 0.9, policy: champion}}
  randomised: {{share: 0.1, policy: uniform}}
evaluation: {{window_days: 14, folds: 2, resamples: 200}}
gate: {{first_champion: uniform}}
"""

_DAY_US = 86_400_000_000
_CATEGORIES = {"device": 3, "segment": 8, "plan": 6}


@dataclass(frozen=True)
class Day:
    """What some of the users are shown and do in a day: uniformly random arms in three slots, and on about
    5 % of these impressions a click within the hour."""

    day: date
    users: int
    impressions: int

    def logs(self, names: pa.Array) -> dict[str, pa.Table]:
        """The four logs, and `credits` of the clicks; names: of the users."""
        generator = np.random.default_rng(self.day.toordinal())
        decisions = self.impressions // SLOTS
        user = np.repeat(generator.integers(0, self.users, decisions), SLOTS)
        arm = generator.random((decisions, len(ARMS))).argpartition(SLOTS)[:, :SLOTS].ravel()
        time = np.repeat(np.sort(generator.integers(0, _DAY_US, decisions)), SLOTS)
        slot = np.tile(np.arange(SLOTS), decisions)
        decision = self._ids(decisions)
        impressions = pa.table(
            {
                "impression_id": self._ids(user.size),
                "decision_id": decision.take(pa.array(np.repeat(np.arange(decisions), SLOTS))),
                "user_id": names.take(pa.array(user)),
                "occurred_at": self._moments(time),
                "surface": pa.nulls(user.size, pa.string()),
                "slot": slot.astype(np.int32) + 1,
                "arm_id": pa.array(ARMS).take(pa.array(arm)),
                "propensity": 1.0 / (len(ARMS) - slot),
                "propensity_kind": pa.repeat("conditional", user.size),
                "policy": pa.nulls(user.size, pa.string()),
                "slate_id": pa.nulls(user.size, pa.string()),
                "eligible_arms": pa.nulls(user.size, pa.list_(pa.string())),
                "variant": pa.nulls(user.size, pa.string()),
                "issue": pa.repeat("all", user.size),
                **_context(user),
            }
        )
        likes = 0.02 + 0.06 * ((user + arm) % len(ARMS)) / len(ARMS)
        clicked = np.flatnonzero(generator.random(user.size) < likes)
        lag = np.minimum(generator.integers(0, _DAY_US // 24, clicked.size), _DAY_US - 1 - time[clicked])
        of = impressions.take(pa.array(clicked))
        outcomes = pa.table(
            {
                "outcome_id": pc.binary_join_element_wise("click", of["impression_id"], "-"),
                "user_id": of["user_id"],
                "occurred_at": self._moments(time[clicked] + lag),
                "kind": pa.repeat("click", clicked.size),
                "value": np.ones(clicked.size),
                "arm_id": of["arm_id"],
                "impression_id": pa.nulls(clicked.size, pa.string()),
            }
        )
        credited = {
            "user_id": of["user_id"],
            "impression_id": of["impression_id"],
            "outcome_id": outcomes["outcome_id"],
            "kind": outcomes["kind"],
            "credit": outcomes["value"],
            "value": outcomes["value"],
            "lag_seconds": lag / 1e6,
            "rule": pa.repeat("last_touch", clicked.size),
        }
        everyone = np.arange(self.users)
        return {
            "impressions": impressions,
            "outcomes": outcomes,
            "users": pa.table({"user_id": names, **_context(everyone)}),
            "arms": pa.table({"arm_id": ARMS}),
            "credits": pa.table(credited),
        }

    def _ids(self, many: int) -> pa.Array:
        numbers = pc.utf8_lpad(pc.cast(pa.array(np.arange(many)), pa.string()), 8, "0")
        return pc.binary_join_element_wise(str(self.day), numbers, "-")

    def _moments(self, of_day: Ints) -> pa.Array:
        midnight = np.datetime64(self.day, "us")
        return pa.array(midnight + of_day.astype("timedelta64[us]")).cast(pa.timestamp("us", "UTC"))


def prepare(night: Night, users: int, impressions: int, pseudonymise: Pseudonymiser) -> None:
    """The tables of the days before the night, as their nights would have left them, and the landing files of
    its own day."""
    names = pa.array([f"user-{user}" for user in range(users)])
    pseudonyms = pseudonymise(names)
    for day in DAYS[:-1]:
        logs = Day(day, users, impressions).logs(pseudonyms)
        for table in ("impressions", "outcomes", "credits"):
            _publish(night.at(day), table, logs[table])
        unattributed = night.at(day).table("unattributed")
        none = unattributed.snapshot().to_arrow().drop_columns(["ds"])
        unattributed.replace(day, none, with_meaning(night, "unattributed"))
    logs = Day(DAYS[-1], users, impressions).logs(names)
    for log in ("impressions", "outcomes", "users", "arms"):
        _land(night.warehouse.landing(night.name, log, night.ds), logs[log])


def _publish(night: Night, name: str, rows: pa.Table) -> None:
    """The rows of a day by bucket, each user's together, by time."""
    table = night.table(name)
    keys = hex_to_uint64(np.asarray(rows["user_id"].to_numpy(zero_copy_only=False), dtype="S32"))
    bucket = (keys >> np.uint64(32)) % np.uint64(BUCKETS)
    attempt = table.begin(night.ds)
    for number in range(BUCKETS):
        mine = np.flatnonzero(bucket == number)
        attempt.write(rows.take(pa.array(mine[np.argsort(keys[mine], kind="stable")])), number)
    table.publish(attempt.seal(), with_meaning(night, name))


def _land(folder: Path, rows: pa.Table) -> None:
    folder.mkdir(parents=True)
    each = -(-rows.num_rows // LANDED_FILES)
    for part in range(LANDED_FILES):
        pq.write_table(rows.slice(part * each, each), folder / f"part-{part}.parquet")
    (folder / "_SUCCESS").touch()


def _context(user: Ints) -> dict[str, object]:
    """The context columns of users by number."""
    categories = {
        name: pa.array([f"{name}-{value}" for value in range(values)]).take(pa.array(user % values))
        for name, values in _CATEGORIES.items()
    }
    return {**categories, "age": 20.0 + user % 50, "days_since_enrolment": (user % 120).astype(np.float64)}
