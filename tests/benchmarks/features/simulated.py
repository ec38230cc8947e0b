"""Simulated activity in the order of time, as logs come, and moments to ask about. Every value is a hash of
its row's number: the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.benchmarks.attribution.histories import CACHE, hex_texts

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform

BEGIN, DAYS = datetime(2026, 1, 1, tzinfo=UTC), 14
KINDS = ("page_view", "page_view", "page_view", "scroll", "scroll", "error", "help", "click")
PAGES = (*(f"page-{number:02d}" for number in range(30)), "pricing", "pricing")

_DAY_US = 86_400_000_000
_MADE_AT_ONCE = 1 << 20


def activity(events: int, users: int) -> Path:
    """A Parquet file of so many events of so many users in 14 days, made once."""
    return _made(
        CACHE / f"activity-{events}-{users}.parquet", events, lambda rows: _events(rows, events, users)
    )


def decisions(count: int, users: int) -> Path:
    """Moments of so many decisions in the second week."""
    return _made(CACHE / f"decisions-{count}-{users}.parquet", count, lambda rows: _decisions(rows, users))


def end_of_day(users: int) -> Path:
    """The end of the last day, for every user."""
    return _made(
        CACHE / f"end-of-day-{users}.parquet", users, lambda rows: _asked(rows, _time(rows * 0 + DAYS))
    )


def _events(rows: Ints, events: int, users: int) -> pa.Table:
    kinds, pages = (
        pa.array(names).take(pa.array(_keys(what, rows) % np.uint64(len(names))))
        for what, names in (("kind", KINDS), ("page", PAGES))
    )
    seconds = -30 * np.log(uniform(_keys("seconds", rows)))
    return pa.table(
        {
            "user_id": _users(_keys("who", rows) % np.uint64(users)),
            "occurred_at": _time((rows + uniform(_keys("when", rows))) * DAYS / events),
            "kind": kinds,
            "page": pages,
            "seconds": pa.array(seconds, mask=_keys("no seconds", rows) % np.uint64(10) == 0),
        }
    )


def _decisions(rows: Ints, users: int) -> pa.Table:
    when = DAYS / 2 * (1 + uniform(_keys("asked when", rows)))
    return _asked((_keys("asked who", rows) % np.uint64(users)).astype(np.int64), _time(when))


def _asked(user: Ints, when: pa.Array) -> pa.Table:
    return pa.table({"user_id": _users(user.astype(np.uint64)), "as_of": when})


def _users(numbers: Keys) -> pa.Array:
    return hex_texts(mix(numbers, seed("user")))


def _time(days: Floats | Ints) -> pa.Array:
    begin = int(BEGIN.timestamp()) * 1_000_000
    return pa.array(begin + (days * _DAY_US).astype(np.int64)).cast(pa.timestamp("us", "UTC"))


def _keys(what: str, rows: Ints) -> Keys:
    return mix(rows.astype(np.uint64), seed("activity", what))


def _made(path: Path, count: int, rows_of: Callable[[Ints], pa.Table]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with pq.ParquetWriter(draft, rows_of(np.arange(0)).schema) as file:
            for begin in range(0, count, _MADE_AT_ONCE):
                file.write_table(rows_of(np.arange(begin, min(begin + _MADE_AT_ONCE, count))))
        draft.replace(path)
    return path
