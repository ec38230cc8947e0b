"""Tonight's features beside those of the days before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.core.features import population_stability, tenths
from nightslate.kernels.leaks import AS_OF
from nightslate.kernels.value_counts import ValueCounts

BEFORE, NOW = "before", "now"
Counts = Mapping[str, int]


def counted(rows: pa.Table, nothing: ValueCounts, end: datetime) -> Iterator[tuple[str, ValueCounts]]:
    """How often features have each value at the end of the night's day, and at those of the days before."""
    at = rows[AS_OF]
    of_day = pc.equal(at, pc.floor_temporal(at, unit="day"))
    is_now = pc.equal(at, pa.scalar(end, at.type))
    yield NOW, nothing.update(rows.filter(is_now))
    yield BEFORE, nothing.update(rows.filter(pc.and_(of_day, pc.invert(is_now))))


def drift(name: str, before: Counts, now: Counts, is_number: bool) -> dict[str, Any]:
    """A feature as the table `feature_drift` has it."""
    return {
        "feature": name,
        "psi": _stability(before, now, is_number) if before and now else None,
        "users": sum(now.values()),
        "users_before": sum(before.values()),
        "mean": _mean(now) if is_number else None,
        "mean_before": _mean(before) if is_number else None,
    }


def _stability(before: Counts, now: Counts, is_number: bool) -> float:
    classes = _in_tenths(before, now) if is_number else _by_value(before, now)
    return population_stability(*classes)


def _by_value(before: Counts, now: Counts) -> tuple[Ints, Ints]:
    values = sorted({*before, *now})
    of_before, of_now = ([counts.get(value, 0) for value in values] for counts in (before, now))
    return np.array(of_before), np.array(of_now)


def _in_tenths(before: Counts, now: Counts) -> tuple[Ints, Ints]:
    ends = tenths(np.array([*map(float, before)]), np.array([*before.values()]))
    found = []
    for counts in (before, now):
        place = np.searchsorted(ends, np.array([*map(float, counts)]))
        found.append(np.bincount(place, weights=np.array([*counts.values()]), minlength=ends.size + 1))
    return found[0].astype(np.int64), found[1].astype(np.int64)


def _mean(counts: Counts) -> float | None:
    total = sum(counts.values())
    return sum(float(value) * rows for value, rows in counts.items()) / total if total else None
