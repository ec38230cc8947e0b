"""Features: what a user did, aggregated over a window before a moment, as a YAML file declares it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nightslate.programs.logs import Boundaries, Feature, Logs
from nightslate.programs.strict import NAME_PATTERN, Duration, Name, Share, Strict, Text, Worth

SESSION_GAP = timedelta(minutes=30)
"""As in the analytics of the web."""

USER, ARM = "user_id", "arm_id"
SourceName = Literal["activity", "impressions", "outcomes", "credits"]
ColumnType = Literal["category", "number"]
Value = Annotated[str, Field(max_length=500)] | bool | int | Worth
Values = Value | Annotated[tuple[Value, ...], Field(strict=False, min_length=1, max_length=1000)]
Condition = dict[Name, Values]


class _Aggregation(Strict):
    """Of those events of a log that a condition holds for, over [moment - window, moment).

    `key`: whose events they are: the user's, where none is said; or the user's about one arm, or about the
    arms of one value of a category. `where`: what columns have to be, all of them; a list is any of its
    values. `window`, or `windows` for a feature of each; without either, all that is kept. `default`: the
    value where there is nothing to aggregate. `boundaries`: in a program, the ends of intervals that make
    categories of a number."""

    source: SourceName = "activity"
    key: Annotated[tuple[Name, ...], Field(strict=False)] = ()
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
        if self.key and (self.key[0] != USER or len(self.key) > 2 or USER in self.key[1:]):
            raise ValueError(
                f"key: {list(self.key)} is none that features have: [user_id], [user_id, arm_id] or"
                " [user_id, TOPIC], a category of logs.arm_features"
            )
        return self

    @property
    def by(self) -> str | None:
        """The column of arms by which events are told apart; None where they are not."""
        return self.key[1] if len(self.key) > 1 else None


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
            if spec.by:
                raise ValueError(
                    f"features.{name}: key: {spec.by} is of arms, which programs have; a file has users"
                )
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


def of_source(specs: FeatureSpecs, source: SourceName) -> tuple[Aggregate, ...]:
    """Those that are made of one log."""
    return tuple(each for each in aggregates(specs) if each.spec.source == source)


def by_source(specs: FeatureSpecs) -> dict[str, tuple[Aggregate, ...]]:
    """The same by the log that they are of."""
    wanted = aggregates(specs)
    sources = dict.fromkeys(each.spec.source for each in wanted)
    return {source: tuple(each for each in wanted if each.spec.source == source) for source in sources}


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


def of_users(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """Those of users, whatever arm they are about."""
    return tuple(each for each in aggregates(specs) if each.spec.by is None)


def context_of(specs: FeatureSpecs) -> tuple[Feature, ...]:
    """Features of users as columns of contexts."""
    return tuple(
        Feature(
            name=each.name,
            type="category" if isinstance(each.spec.default, str) else "number",
            boundaries=each.spec.boundaries,
        )
        for each in of_users(specs)
    )


def known_of_users(logs: Logs, specs: FeatureSpecs) -> tuple[Feature, ...]:
    """What is known of a user when a decision is made: columns that land, and features."""
    return (*logs.context, *context_of(specs))
