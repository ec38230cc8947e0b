"""Features: what a user did, aggregated over a window before a moment, as a YAML file declares it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nightslate.programs.days import days_before, in_short
from nightslate.programs.logs import Boundaries, Consent
from nightslate.programs.strict import NAME_PATTERN, Duration, Name, Share, Strict, Text, Worth

SESSION_GAP = timedelta(minutes=30)
"""As in the analytics of the web."""

USER, ARM = "user_id", "arm_id"
OF_ARMS = (ARM,)
"""The key of what is known of arms alone."""

SourceName = Literal["activity", "impressions", "outcomes", "credits", "arms", "calendar"]
ColumnType = Literal["category", "number"]
Value = Annotated[str, Field(max_length=500)] | bool | int | Worth
Values = Value | Annotated[tuple[Value, ...], Field(strict=False, min_length=1, max_length=1000)]
Condition = dict[Name, Values]


class _Aggregation(Strict):
    """Of those events of a log that a condition holds for, over [moment - window, moment).

    `key`: whose events they are: the user's, where none is said; the user's about one arm, or about the arms
    of one value of a category; or those of all users about one arm. `where`: what columns have to be, all of
    them; a list is any of its values. `window`, or `windows` for a feature of each; without either, all that
    is kept. `default`: the value where there is nothing to aggregate. `boundaries`: in a program, the ends of
    intervals that make categories of a number. `consent`: what a user has to have agreed to for it to be
    computed; as JSON one that needs none says nothing of it."""

    source: SourceName = "activity"
    key: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    where: Condition = Field(default={})
    window: Duration | None = None
    windows: Annotated[tuple[Duration, ...], Field(strict=False)] = ()
    default: Worth | None = None
    boundaries: Boundaries = ()
    consent: Consent | None = Field(default=None, exclude_if=lambda consent: consent is None)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.window is not None and self.windows:
            raise ValueError("windows: say `window`, or `windows` for a feature of each, not both")
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("windows: one is named twice")
        of_user = self.key[:1] == (USER,) and len(self.key) <= 2 and USER not in self.key[1:]
        if self.key and not of_user and self.key != OF_ARMS:
            raise ValueError(
                f"key: {list(self.key)} is none that features have: [user_id], [user_id, arm_id],"
                " [user_id, TOPIC] with a category of logs.arm_features, or [arm_id]"
            )
        if self.consent and (self.of_arms or self.source == "calendar"):
            raise ValueError("consent: it is of no user, and nobody can agree to its use")
        return self

    @property
    def by(self) -> str | None:
        """The column of arms by which events are told apart; None where they are not."""
        return self.key[-1] if self.key and self.key[-1] != USER else None

    @property
    def of_arms(self) -> bool:
        """Whether it is of arms alone, whoever the user."""
        return self.key == OF_ARMS


class OfEvents(_Aggregation):
    """How many there are, or the seconds since the last one, or the first."""

    aggregation: Literal["count", "time_since_last", "time_since_first"]


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


class Rate(_Aggregation):
    """What an impression of an arm earns within a time, of impressions that have had it: shrunk to the mean
    of all arms, as if there were so many (`prior`) impressions more that earn it. `lift`: in units of that
    mean."""

    aggregation: Literal["rate", "lift"]
    within: Duration
    prior: Worth = Field(gt=0)

    @model_validator(mode="after")
    def _is_of_credits(self) -> Self:
        if self.source != "credits" or not self.of_arms:
            raise ValueError(f"{self.aggregation}: it has `source: credits` and `key: [arm_id]`")
        if ARM in self.where:
            raise ValueError(f"{self.aggregation}: `where` is about credits; each arm has a rate of its own")
        shortest = min((each for each in (self.window, *self.windows) if each), default=None)
        if shortest is not None and self.within >= shortest:
            raise ValueError(
                f"within: {in_short(self.within)} is all of the window; no impression has had it"
            )
        return self


class DaysFrom(_Aggregation):
    """Days from the day of the decision to a date of the arm, or from that date."""

    aggregation: Literal["days_until", "days_since"]
    column: Name

    @model_validator(mode="after")
    def _is_of_the_catalogue(self) -> Self:
        if self.source != "arms" or not self.of_arms or self.where or self.window or self.windows:
            raise ValueError(
                f"{self.aggregation}: it has `source: arms` and `key: [arm_id]`, and neither `where` nor a"
                " window"
            )
        return self


class OfMoment(_Aggregation):
    """The day of the week or the hour of the decision, in the zone whose IANA name is in the column `zone`,
    or in UTC."""

    aggregation: Literal["day_of_week", "hour_of_day"]
    zone: Name | None = None

    @model_validator(mode="after")
    def _is_of_the_calendar(self) -> Self:
        said = (self.key, self.where, self.window, self.windows, self.default)
        if self.source != "calendar" or any(said):
            raise ValueError(f"{self.aggregation}: it has `source: calendar`, and no key, window or default")
        if self.aggregation == "day_of_week" and self.boundaries:
            raise ValueError("day_of_week: it is a category, and needs no boundaries")
        if self.aggregation == "hour_of_day" and not self.boundaries:
            raise ValueError(
                "hour_of_day: say its boundaries, such as [6, 12, 18]; as a number 23 is far from 0"
            )
        return self


OF_ALL_USERS = (OfEvents, OfNumbers, Rate, DaysFrom)
"""Aggregations that can be of arms alone; the others are of one history."""

OfColumn = OfNumbers | Quantile | Distinct | Last
FeatureSpec = Annotated[
    OfEvents | OfColumn | RatePerSession | TimeBetween | Rate | DaysFrom | OfMoment,
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


def aggregates(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """The features of all windows, in the order in which they are declared."""
    return tuple(
        Aggregate(f"{name}_{in_short(window)}" if window in spec.windows else name, spec, window)
        for name, spec in specs.items()
        for window in spec.windows or (spec.window,)
    )


def of_each_user(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """Those that each user has: by the user's own events, of whatever arm or of each."""
    return tuple(
        each for each in aggregates(specs) if not each.spec.of_arms and not isinstance(each.spec, OfMoment)
    )


def of_arms(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """Those of arms alone."""
    return tuple(each for each in aggregates(specs) if each.spec.of_arms)


def of_moments(specs: FeatureSpecs) -> dict[str, OfMoment]:
    """By name those of the moment of a decision alone."""
    return {name: spec for name, spec in specs.items() if isinstance(spec, OfMoment)}


def of_source(wanted: Iterable[Aggregate], source: SourceName) -> tuple[Aggregate, ...]:
    """Those that are made of one log."""
    return tuple(each for each in wanted if each.spec.source == source)


def by_source(wanted: Sequence[Aggregate]) -> dict[str, tuple[Aggregate, ...]]:
    """The same by the log that they are of."""
    sources = dict.fromkeys(each.spec.source for each in wanted)
    return {source: of_source(wanted, source) for source in sources}


def first_day_of(ds: date, features: Sequence[Aggregate]) -> date:
    """The first day that the longest of their windows reaches back to from the end of ds."""
    return ds - max(timedelta(days=days_before(each.window or timedelta(0))) for each in features)


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


def of_users(specs: FeatureSpecs) -> tuple[Aggregate, ...]:
    """Those of users, whatever arm they are about."""
    return tuple(each for each in of_each_user(specs) if each.spec.by is None)
