"""A program of three treatments and a control whose shares follow the context, with as many users as one
likes, and what lands of them day by day: who a user is, what it is shown and what it does are hashes of its
number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.lists import place_in
from nightslate.pipeline.night import Night

PROGRAM, FIRST = "crowd", date(2026, 1, 1)
SEGMENTS, DEVICES = (tuple(f"{name}-{n:02d}" for n in range(many)) for name, many in (("s", 20), ("d", 3)))
VARIANTS = ("control", "cart", "checkout", "search")

SPEC = f"""
program: {PROGRAM}
description: Three changes of a shop, each for those whom it helps.
start_date: {FIRST}
buckets: 8
logs:
  propensity: conditional
  context:
    - {{name: segment, type: category}}
    - {{name: device, type: category}}
    - {{name: tenure, type: number}}
variants:
  control: {{share: 0.4, policy: external}}
  cart: {{share: 0.2, policy: external}}
  checkout: {{share: 0.2, policy: external}}
  search: {{share: 0.2, policy: external}}
experiment:
  control: control
  decided_by: bought
  metrics:
    bought: {{source: outcomes, where: {{kind: purchase}}, window: 1d}}
    trouble: {{source: outcomes, where: {{kind: trouble}}, window: 1d}}
  segments: [segment]
  guardrails: [{{metric: trouble, margin: 0.05, worse: higher}}]
  allocation:
    score: {{benefit: bought, harm: trouble, weight: 0.5, caution: 0.5, models: {{linear: {{kind: linear}}}}}}
    range: 0.15
    scale: 2.0
    floor: 0.02
evaluation: {{folds: 3}}
"""

SHOWN = 0.2
"""Of the users of a day."""
_OF_A_FILE = 500_000
_DAY_US = 86_400_000_000
_JOIN_LATER, _JOINING_DAYS = 0.1, 10


@dataclass(frozen=True)
class Crowd:
    """The users of the numbers from `begin` up to before `end`."""

    begin: int
    end: int

    @classmethod
    def of(cls, users: int) -> Iterator[Crowd]:
        """So many, those of one landing file at a time."""
        for begin in range(0, users, _OF_A_FILE):
            yield cls(begin, min(begin + _OF_A_FILE, users))

    def profiles(self, day: int) -> tuple[Ints, pa.Table]:
        """The places (n,) of those who are there on a day, and what is known of each."""
        joined = np.where(self._drawn("joins") < _JOIN_LATER, 1 + self._of("joined", _JOINING_DAYS), 0)
        there = np.flatnonzero(joined <= day)
        numbers = pa.array(self.begin + there).cast(pa.string())
        return there, pa.table(
            {
                "user_id": pc.binary_join_element_wise("user", numbers, "-"),
                "segment": pa.array(SEGMENTS).take(pa.array(self._segment[there])),
                "device": pa.array(DEVICES).take(pa.array(self._of("device", len(DEVICES))[there])),
                "tenure": self._drawn("tenure")[there] * 10,
            }
        )

    def shown(self, day: int) -> Ints:
        """(m,) the places of those who are shown something on a day, if they are there."""
        return np.flatnonzero(self._drawn(f"shown {day}") < SHOWN)

    def at(self, day: int) -> pa.Array:
        """When on a day each is shown something, in the first 23 hours."""
        midnight = np.datetime64(FIRST + timedelta(days=day), "us")
        return pa.array(midnight + (self._drawn(f"at {day}") * _DAY_US * 23 / 24).astype("timedelta64[us]"))

    def does(self, kind: str, day: int, variant: Ints) -> np.ndarray:
        """(n,) who does it within the hour, in these variants (n,): one segment in four is hurt by what helps
        the others."""
        helped = np.where(self._segment % 4 == 0, -0.05, 0.05) * (variant > 0)
        chance = 0.1 + helped if kind == "purchase" else 0.06 - helped
        return self._drawn(f"{kind} {day}") < chance

    @property
    def _segment(self) -> Ints:
        return self._of("segment", len(SEGMENTS))

    def _drawn(self, what: str) -> Floats:
        return uniform(self._keys(what))

    def _of(self, what: str, many: int) -> Ints:
        return (self._keys(what) % np.uint64(many)).astype(np.int64)

    def _keys(self, what: str) -> Keys:
        return mix(np.arange(self.begin, self.end, dtype=np.uint64), seed(what))


def land(night: Night, users: int) -> None:
    """The logs of a night's day: a fifth of its users are shown the variant that nights before put them
    into."""
    day = (night.ds - FIRST).days
    for number, crowd in enumerate(Crowd.of(users)):
        there, people = crowd.profiles(day)
        seen = np.intersect1d(there, crowd.shown(day)) if day else np.empty(0, dtype=np.int64)
        some = people.take(pa.array(np.searchsorted(there, seen)))
        variant = np.full(crowd.end - crowd.begin, -1)
        variant[seen] = _variants(night, some["user_id"].combine_chunks())
        seen = seen[variant[seen] >= 0]
        some = people.take(pa.array(np.searchsorted(there, seen)))
        at = crowd.at(day).cast(pa.timestamp("us", "UTC"))
        _write(night, "users", people, number)
        _write(
            night, "impressions", _impressions(night, some, variant[seen], at.take(pa.array(seen))), number
        )
        outcomes = []
        for kind in ("purchase", "trouble"):
            did = np.flatnonzero(crowd.does(kind, day, variant)[seen])
            outcomes.append(_outcomes(night, some.take(pa.array(did)), kind, at.take(pa.array(seen[did]))))
        _write(night, "outcomes", pa.concat_tables(outcomes), number)
    _write(night, "arms", pa.table({"arm_id": VARIANTS}), 0)
    for log in ("users", "impressions", "outcomes", "arms"):
        (night.warehouse.landing(night.name, log, night.ds) / "_SUCCESS").touch()


def _variants(night: Night, users: pa.Array) -> Ints:
    """(n,) the places of those of some users on the day, -1 of who is in none."""
    pseudonyms, found = night.pseudonymiser(users), np.full(len(users), -1)
    snapshot = night.table("assignments").snapshot()
    for file in snapshot.files(night.ds, night.ds):
        rows = snapshot.rows_of(file, ["user_id", "variant"])
        place = place_in(pseudonyms, rows["user_id"].combine_chunks())
        there = np.flatnonzero(place >= 0)
        found[there] = place_in(rows["variant"], pa.array(VARIANTS))[place[there]]
    return found


def _impressions(night: Night, users: pa.Table, variant: Ints, at: pa.Array) -> pa.Table:
    ids = pc.binary_join_element_wise(str(night.ds), users["user_id"], "-")
    names = pa.array(VARIANTS).take(pa.array(variant))
    return pa.table(
        {
            "impression_id": ids,
            "decision_id": ids,
            "user_id": users["user_id"],
            "occurred_at": at,
            "surface": pa.repeat("shop", len(ids)),
            "slot": pa.repeat(pa.scalar(1, pa.int32()), len(ids)),
            "arm_id": names,
            "propensity": np.full(len(ids), 0.25),
            "variant": names,
            **{name: users[name] for name in ("segment", "device", "tenure")},
        }
    )


def _outcomes(night: Night, users: pa.Table, kind: str, shown: pa.Array) -> pa.Table:
    return pa.table(
        {
            "outcome_id": pc.binary_join_element_wise(kind, str(night.ds), users["user_id"], "-"),
            "user_id": users["user_id"],
            "occurred_at": pc.add(shown, pa.scalar(timedelta(minutes=5))),
            "kind": pa.repeat(kind, len(users)),
            "value": np.ones(len(users)),
            "arm_id": pa.nulls(len(users), pa.string()),
            "impression_id": pa.nulls(len(users), pa.string()),
        }
    )


def _write(night: Night, log: str, rows: pa.Table, number: int) -> None:
    folder: Path = night.warehouse.landing(night.name, log, night.ds)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / f"part-{number}.parquet")
