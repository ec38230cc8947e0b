"""Tonight's features beside those of the days before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.core.features import population_stability, tenths
from nightslate.kernels.leaks import AS_OF
from nightslate.kernels.value_counts import ValueCounts
from nightslate.programs.features import ARM, USER
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Feature

BEFORE, NOW = "before", "now"
Counts = Mapping[str, int]

_ROWS, _KEYS = "rows", "keys of "
"""What is counted besides the values of features: rows, and what maps say something of."""


def nothing_counted(features: Sequence[Feature], keyed: Sequence[KeyedFeature] = ()) -> ValueCounts:
    """Of the features of no rows, those of users and those by arm."""
    by_arm = [name for each in keyed for name in (each.name, _KEYS + each.name)]
    return ValueCounts.initial([*(each.name for each in features), *by_arm, _ROWS])


def counted(rows: pa.Table, nothing: ValueCounts, end: datetime) -> Iterator[tuple[str, ValueCounts]]:
    """How often features have each value at the end of the night's day, and at those of the days before."""
    rows = _with_keys(rows).append_column(_ROWS, pa.repeat("", rows.num_rows))
    at = rows[AS_OF]
    of_day = pc.equal(at, pc.floor_temporal(at, unit="day"))
    is_now = pc.equal(at, pa.scalar(end, at.type))
    yield NOW, nothing.update(rows.filter(is_now))
    yield BEFORE, nothing.update(rows.filter(pc.and_(of_day, pc.invert(is_now))))


def drift(before: ValueCounts, now: ValueCounts, feature: Feature) -> dict[str, Any]:
    """A feature as the table `feature_drift` has it."""
    then, tonight = (side.by_column[feature.name] for side in (before, now))
    return _drift(feature.name, then, tonight, feature.type == "number")


def keyed_drift(before: ValueCounts, now: ValueCounts, feature: KeyedFeature) -> dict[str, Any]:
    """The same of a feature by arm: of each user the number for each arm, or value of arms, that anybody has
    anything about, before or now."""
    keys = {*before.by_column[_KEYS + feature.name], *now.by_column[_KEYS + feature.name]}
    then, tonight = (_with_defaults(side, feature, len(keys)) for side in (before, now))
    found = _drift(feature.name, then, tonight, is_number=True)
    return {**found, "key": f"{USER}, {feature.by}", "users": _rows(now), "users_before": _rows(before)}


def drift_of_arms(rows: pa.Table, name: str, ds: date) -> dict[str, Any]:
    """The same of a feature of arms alone, of rows of the table `features_of_arms`: arms count in place of
    users."""
    nothing, is_now = ValueCounts.initial([name]), pc.equal(rows["ds"], pa.scalar(ds, pa.date32()))
    then, tonight = (
        nothing.update(rows.filter(some)).by_column[name] for some in (pc.invert(is_now), is_now)
    )
    return {**_drift(name, then, tonight, is_number=True), "key": ARM}


def _with_keys(rows: pa.Table) -> pa.Table:
    """The rows, and beside each column of maps one of lists of what these say something of."""
    for field in rows.schema:
        if pa.types.is_map(field.type):
            maps = rows[field.name].combine_chunks()
            rows = rows.append_column(_KEYS + field.name, pa.ListArray.from_arrays(maps.offsets, maps.keys))
    return rows


def _with_defaults(counts: ValueCounts, feature: KeyedFeature, keys: int) -> Counts:
    """How often the feature has each value, those among them that maps leave out."""
    said = counts.by_column[feature.name]
    unsaid = _rows(counts) * keys - sum(said.values())
    return {**said, repr(feature.default): unsaid} if unsaid else said


def _rows(counts: ValueCounts) -> int:
    return sum(counts.by_column[_ROWS].values())


def _drift(name: str, before: Counts, now: Counts, is_number: bool) -> dict[str, Any]:
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
