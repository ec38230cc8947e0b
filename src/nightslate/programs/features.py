"""Features: what a user did, aggregated over a window before a moment, as a YAML file declares it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nightslate.programs.logs import SQL_WORDS, TAKEN, Boundaries, Feature, Logs
from nightslate.programs.strict import NAME_PATTERN, Duration, Name, Share, Strict, Text, Worth

SESSION_GAP = timedelta(minutes=30)
"""As in the analytics of the web."""

SourceName = Literal["activity", "impressions", "outcomes"]
ColumnType = Literal["category", "number"]
Value = Annotated[str, Field(max_length=500)] | bool | int | Worth
Values = Value | Annotated[tuple[Value, ...], Field(strict=False, min_length=1, max_length=1000)]
Condition = dict[Name, Values]


class _Aggregation(Strict):
    """Of those events of a log that a condition holds for, over [moment - window, moment).

    `where`: what columns have to be, all of them; a list is any of its values. `window`, or `windows` for a
    feature of each; without either, all that is kept. `default`: the value where there is nothing to
    aggregate. `boundaries`: in a program, the ends of intervals that make categories of a number."""

    source: SourceName = "activity"
    where: Condition = Field(default={})
    window: Duration | None = None
    windows: Annotated[tuple[Duration, ...], Field(strict=False)] = ()
    default: Worth | None = None
    boundaries: Boundaries = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.window is not None and self.windows:
            raise ValueError("windows: say `window`, or `windows` for a feature of each, not both")
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("windows: one is named twice")
        return self


class OfEvents(_Aggregation):
    """How many there are, or the seconds since the last one."""

    aggregation: Literal["count", "time_since_last"]


class OfNumbers(_Aggregation):
    """Of a column's numbers; events without one are left out."""

    aggregation: Literal["sum", "mean", "min", "max"]
    column: Name


class Quantile(_Aggregation):
    """A quantile of a column's numbers, linear between two of them."""

    aggregation: Literal["quantile"]
    column: Name
    quantile: Share


class Distinct(_Aggregation):
    """How many different values a column has."""

    aggregation: Literal["distinct"]
    column: Name


class Last(_Aggregation):
    """The value of a column at the last event that has one."""

    aggregation: Literal["last"]
    column: Name
    default: Worth | Text | None = None  # type: ignore[assignment]


class RatePerSession(_Aggregation):
    """Events a session; a user who does nothing at all for `session_gap` begins a new one."""

    aggregation: Literal["rate_per_session"]
    session_gap: Duration = SESSION_GAP


class TimeBetween(_Aggregation):
    """Mean seconds from an event of `where` to the next event of these or of `until`, if it is of `until`."""

    aggregation: Literal["time_between"]
    until: Condition


OfColumn = OfNumbers | Quantile | Distinct | Last
FeatureSpec = Annotated[
    OfEvents | OfNumbers | Quantile | Distinct | Last | RatePerSession | TimeBetween,
    Field(discriminator="aggregation"),
]

_ZERO_OF_NOTHING = ("count", "sum", "distinct", "rate_per_session")
"""Aggregations of no events at all that are 0; the others have no value then but their default."""


@dataclass(frozen=True)
class Aggregate:
    """One column of features: its name, and over which window what is aggregated. window: None where all that
    is kept counts."""

    name: str
    spec: FeatureSpec
    window: timedelta | None

    @property
    def default(self) -> float | str | None:
        """Its value where there is nothing to aggregate."""
        if self.spec.default is None and self.spec.aggregation in _ZERO_OF_NOTHING:
            return 0.0
        return self.spec.default


FeatureSpecs = dict[Name, FeatureSpec]


class FeaturesFile(Strict):
    """A file of features. `columns`: the types of columns of activity where they don't follow from their
    use: a number is what is summed, a category what is compared with text."""

    features: FeatureSpecs = Field(min_length=1, max_length=1000)
    columns: dict[Name, ColumnType] = Field(default={})

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        require_names(self.each)
        for name, spec in self.features.items():
            if spec.source != "activity":
                raise ValueError(f"features.{name}: {spec.source} are logs of programs; a file has activity")
            if spec.boundaries:
                raise ValueError(
                    f"features.{name}: boundaries are for programs, which make categories of them"
                )
            if isinstance(spec, OfNumbers | Quantile) and self.columns.get(spec.column) == "category":
                raise ValueError(
                    f"features.{name}: {spec.aggregation} is of numbers, not columns.{spec.column}: category"
                )
        return self

    @property
    def each(self) -> tuple[Aggregate, ...]:
        """The features of all windows, in the order of the file."""
        return aggregates(self.features)

    def type_of(self, column: str) -> ColumnType | None:
        """As declared, or as it is used; None where its values may be of either type."""
        if column in self.columns:
            return self.columns[column]
        specs = self.features.values()
        if any(isinstance(spec, OfNumbers | Quantile) and spec.column == column for spec in specs):
            return "number"
        compared = [value for condition in conditions(specs) for value in values_of(condition, column)]
        if any(isinstance(value, float) for value in compared):
            return "number"
        return "category" if compared else None

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of activity that are looked at, but for those that all activity has."""
        return columns_looked_at(self.features.values())


def aggregates(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """The features of all windows, in the order in which they are declared."""
    return tuple(
        Aggregate(f"{name}_{in_short(window)}" if window in spec.windows else name, spec, window)
        for name, spec in specs.items()
        for window in spec.windows or (spec.window,)
    )


def require_names(found: Sequence[Aggregate]) -> None:
    """Raise ValueError where two features share a name, or one is too long for a name."""
    names = [each.name for each in found]
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"features: two are called {twice[0]}")
    too_long = [name for name in names if not re.fullmatch(NAME_PATTERN, name)]
    if too_long:
        raise ValueError(f"features: {too_long[0]} is too long for a name")


def columns_looked_at(specs: Iterable[FeatureSpec]) -> tuple[str, ...]:
    """The columns that features compare or aggregate, each once."""
    specs = list(specs)
    compared = [name for condition in conditions(specs) for name in condition]
    return tuple(dict.fromkeys([*compared, *aggregated_columns(specs)]))


def aggregated_columns(specs: Iterable[FeatureSpec]) -> tuple[str, ...]:
    """The columns whose values are aggregated, each once."""
    return tuple(dict.fromkeys(spec.column for spec in specs if isinstance(spec, OfColumn)))


def conditions(specs: Iterable[FeatureSpec]) -> Iterator[Condition]:
    """All that features ask of events; a condition may come more than once."""
    for spec in specs:
        yield spec.where
        if isinstance(spec, TimeBetween):
            yield spec.until


def values_of(condition: Condition, column: str) -> tuple[Value, ...]:
    """What a column may be; nothing where the condition does not look at it."""
    values = condition.get(column, ())
    return values if isinstance(values, tuple) else (values,)


def in_short(window: timedelta) -> str:
    """As a YAML file has it, in the largest unit that gives a whole number."""
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if window % length == timedelta(0):
            return f"{window // length}{unit}"
    return f"{window // timedelta(minutes=1)}m"


def context_of(specs: FeatureSpecs) -> tuple[Feature, ...]:
    """Features as columns of contexts."""
    return tuple(
        Feature(
            name=each.name,
            type="category" if isinstance(each.spec.default, str) else "number",
            boundaries=each.spec.boundaries,
        )
        for each in aggregates(specs)
    )


def known_of_users(logs: Logs, specs: FeatureSpecs) -> tuple[Feature, ...]:
    """What is known of a user when a decision is made: columns that land, and features."""
    return (*logs.context, *context_of(specs))


def require_computable(specs: FeatureSpecs, logs: Logs) -> None:
    """Raise ValueError for a feature that the program's logs can't be aggregated to."""
    require_names(aggregates(specs))
    types = columns_of(logs)
    taken = {feature.name for feature in logs.context} | TAKEN["context"]
    for each in aggregates(specs):
        source = each.spec.source
        if source not in types:
            raise ValueError(
                f"features.{each.name}: it is of activity; declare `logs.activity` with its columns"
            )
        _require_declared(each, types[source])
        if each.name in taken or each.name in SQL_WORDS:
            why = "taken by another column of contexts" if each.name in taken else "a word of SQL"
            raise ValueError(f"features: the name {each.name!r} is {why}; choose another")
        if each.window is None:
            raise ValueError(f"features.{each.name}: a window is needed, such as 28d")
        if source == "activity" and logs.activity and each.window > logs.activity.kept:
            raise ValueError(
                f"features.{each.name}: its window is longer than activity is kept,"
                f" logs.activity.keep_days: {logs.activity.keep_days}"
            )


def columns_of(logs: Logs) -> dict[SourceName, dict[str, ColumnType]]:
    """What features may compare and aggregate of each log that there is: the type of each column."""
    of_logs: dict[SourceName, dict[str, ColumnType]] = {
        "impressions": {"arm_id": "category", "slot": "number", "surface": "category", "issue": "category"},
        "outcomes": {"kind": "category", "value": "number", "arm_id": "category"},
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
