"""Whether a program's logs can be aggregated to the features that it declares."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from nightslate.programs.features import (
    ARM,
    OF_ALL_USERS,
    Aggregate,
    ColumnType,
    DaysFrom,
    FeatureSpecs,
    Last,
    OfMoment,
    OfNumbers,
    Quantile,
    SourceName,
    aggregates,
    columns_looked_at,
    require_names,
)
from nightslate.programs.logs import SQL_WORDS, TAKEN, Logs


def require_computable(specs: FeatureSpecs, logs: Logs, as_of: str) -> None:
    """Raise ValueError for a feature that the program's logs can't be aggregated to; as_of: see `Program`."""
    require_names(aggregates(specs))
    types = columns_of(logs)
    taken = {feature.name for feature in logs.context} | TAKEN["context"]
    for each in aggregates(specs):
        source = each.spec.source
        if isinstance(each.spec, DaysFrom):
            _require_date(each, each.spec, logs)
        elif isinstance(each.spec, OfMoment):
            _require_clock(each, each.spec, logs, as_of)
        elif source in ("arms", "calendar"):
            raise ValueError(
                f"features.{each.name}: arms have days_until and days_since alone, and calendar has"
                " day_of_week and hour_of_day"
            )
        elif source not in types:
            raise ValueError(
                f"features.{each.name}: it is of activity; declare `logs.activity` with its columns"
            )
        else:
            _require_declared(each, types[source])
        if each.name in taken or each.name in SQL_WORDS:
            why = "taken by another column of contexts" if each.name in taken else "a word of SQL"
            raise ValueError(f"features: the name {each.name!r} is {why}; choose another")
        if each.spec.by:
            _require_key(each, logs)
        if each.window is None and source not in ("arms", "calendar"):
            raise ValueError(f"features.{each.name}: a window is needed, such as 28d")
        if source == "activity" and logs.activity and each.window and each.window > logs.activity.kept:
            raise ValueError(
                f"features.{each.name}: its window is longer than activity is kept,"
                f" logs.activity.keep_days: {logs.activity.keep_days}"
            )


def columns_of(logs: Logs) -> dict[SourceName, dict[str, ColumnType]]:
    """What features may compare and aggregate of each log that there is: the type of each column."""
    of_logs: dict[SourceName, dict[str, ColumnType]] = {
        "impressions": {"arm_id": "category", "slot": "number", "surface": "category", "issue": "category"},
        "outcomes": {"kind": "category", "value": "number", "arm_id": "category"},
        "credits": {
            "kind": "category",
            "credit": "number",
            "value": "number",
            "lag_seconds": "number",
            "arm_id": "category",
        },
    }
    if logs.activity is not None:
        of_logs["activity"] = {"kind": "category", **logs.activity.types}
    return of_logs


def _require_declared(each: Aggregate, types: Mapping[str, ColumnType]) -> None:
    spec, place = each.spec, f"features.{each.name}"
    for name in columns_looked_at([spec]):
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"; is {near[0]} what is meant?" if near else ""
            raise ValueError(f"{place}: {name!r} is no column of {spec.source} (there: {list(types)}){hint}")
    if isinstance(spec, OfNumbers | Quantile) and types[spec.column] != "number":
        raise ValueError(f"{place}: {spec.aggregation} is of numbers, and {spec.column} is a category")
    if each.default is None:
        raise ValueError(f"{place}: say its `default`, which users have that did nothing of the kind")
    of_text = isinstance(spec, Last) and types[spec.column] == "category"
    if of_text != isinstance(each.default, str):
        kind = "text" if of_text else "a number"
        raise ValueError(f"{place}: its default has to be {kind}, as its values are; got {each.default!r}")


def _require_date(each: Aggregate, spec: DaysFrom, logs: Logs) -> None:
    place = f"features.{each.name}"
    if spec.column not in logs.arm_dates:
        raise ValueError(
            f"{place}: {spec.column!r} is none of logs.arm_dates (there: {list(logs.arm_dates)})"
        )
    if each.default is None:
        raise ValueError(f"{place}: say its `default`, which arms have that have no such date")


def _require_clock(each: Aggregate, spec: OfMoment, logs: Logs, as_of: str) -> None:
    place = f"features.{each.name}"
    if as_of != "temporal" and (spec.zone or spec.aggregation == "hour_of_day"):
        what = "zone" if spec.zone else spec.aggregation
        raise ValueError(
            f"{place}: {what}: slates of the night before are shown at any time of their (UTC) day; a moment"
            " is known with features_as_of: temporal"
        )
    categories = [feature.name for feature in logs.context if feature.type == "category"]
    if spec.zone and spec.zone not in categories:
        raise ValueError(
            f"{place}: zone: {spec.zone!r} is not a category of logs.context (there: {categories}); it has"
            " the IANA names of zones"
        )


def _require_key(each: Aggregate, logs: Logs) -> None:
    place, by = f"features.{each.name}", each.spec.by
    categories = [feature.name for feature in logs.arm_features if feature.type == "category"]
    if by not in (ARM, *categories):
        raise ValueError(
            f"{place}: key: {by!r} is neither arm_id nor a category of logs.arm_features (there:"
            f" {categories})"
        )
    if each.spec.source == "activity":
        raise ValueError(f"{place}: key: activity is about no arm; impressions, outcomes and credits are")
    if each.spec.of_arms and not isinstance(each.spec, OF_ALL_USERS):
        raise ValueError(
            f"{place}: {each.spec.aggregation} is of the history of one user; of arms alone there are"
            " count, sum, mean, min, max, time_since_first, time_since_last, rate and lift"
        )
    is_text = isinstance(each.default, str)
    if is_text:
        raise ValueError(f"{place}: text is for features of users; by {by} features are numbers")
