"""Features of users as of moments, from what they did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core import features as core
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.features import Events, Merged, Moments, Windows
from nightslate.core.ordering import by_key_and_time, places_in
from nightslate.programs.days import microseconds
from nightslate.programs.feature_states import state_of
from nightslate.programs.features import (
    Aggregate,
    Condition,
    FeatureSpec,
    Last,
    OfColumn,
    Quantile,
    RatePerSession,
    TimeBetween,
    Value,
    aggregated_columns,
    conditions,
    values_of,
)
from nightslate.records.instants import INSTANT

USER, AT, KNOWN, LANDED = "user_id", "occurred_at", "known_at", "landed_at"
BEGAN, COUNT, TOTAL, LEAST, MOST = "first_at", "events", "total", "least", "most"
"""Of rows that several events of a day are merged into."""

CONDITION, STATE = "condition.", "state."
"""Before the names of columns of flags: of events that a condition holds for, of rows that are states."""

_ONE_DAY = pa.scalar(timedelta(days=1))

Made = TypeVar("Made")

_OF_WINDOWS: dict[str, Callable[[Windows], Floats]] = {
    "count": core.count,
    "sum": core.total,
    "mean": core.mean,
    "min": core.least,
    "max": core.most,
    "last": core.last,
    "distinct": core.distinct,
    "time_since_last": core.time_since_last,
    "time_since_first": core.time_since_first,
}
_OPENS, _BOTH, _CLOSES = 0.0, 1.0, 2.0
"""What an event of `time_between` does, in the order in which those of one moment do it."""


def that_matter(activity: pa.Table, features: Sequence[Aggregate], also: Sequence[str] = ()) -> pa.Table:
    """The events that any of the features is of: their user, times and values, and a column of flags for each
    condition. activity: USER, AT, KNOWN and the columns that features look at, as text or float64; `also`:
    further columns of it that are kept."""
    asked = _asked(features)
    flags = {CONDITION + str(place): holds(activity, condition) for place, condition in enumerate(asked)}
    kept = (USER, AT, KNOWN, *also, *aggregated_columns(each.spec for each in features))
    columns = {name: activity[name] for name in kept}
    matters = flags[f"{CONDITION}0"]
    for each in list(flags.values())[1:]:
        matters = pc.or_(matters, each)
    return pa.table({**columns, **flags}).filter(matters)


def features_as_of(
    events: pa.Table, features: Sequence[Aggregate], user: Ints, at: Ints, known: Ints
) -> pa.Table:
    """A column a feature and a row a moment (m,). Of each its user, a number; when it is; and until when what
    was known counts, both in microseconds. events: as `that_matter` gives them, USER being such numbers."""
    users, of_moments = np.unique(user, return_inverse=True)
    of_events = integers(events[USER])
    place = np.searchsorted(users, of_events)
    asked_of = np.append(users, -1)[place] == of_events
    order = by_key_and_time(of_moments, at)
    moments = Moments(of_moments[order], at[order], known[order])
    history = _History(
        events.filter(pa.array(asked_of)), _asked(features), users.size, place[asked_of], moments
    )
    back = pa.array(places_in(order))
    return pa.table({each.name: history.column(each).take(back) for each in features})


def _asked(features: Sequence[Aggregate]) -> list[Condition]:
    """The conditions that features have, each once; where one counts sessions, that which always holds."""
    asked = list(conditions(each.spec for each in features))
    if any(isinstance(each.spec, RatePerSession) for each in features):
        asked.append({})
    return [condition for place, condition in enumerate(asked) if condition not in asked[:place]]


def holds(activity: pa.Table, condition: Condition) -> pa.ChunkedArray:
    """Which events a condition holds for."""
    found = pa.chunked_array([np.ones(activity.num_rows, dtype=np.bool_)])
    for name in condition:
        column = activity[name]
        is_number = pa.types.is_floating(column.type)
        wanted = [float(value) if is_number else _text(value) for value in values_of(condition, name)]
        found = pc.and_(found, pc.is_in(column, value_set=pa.array(wanted, column.type)))
    return found


def _text(value: Value) -> str:
    """As columns of categories have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _History:
    """Events by user and time, and the moments that features are wanted of."""

    def __init__(
        self, events: pa.Table, asked: list[Condition], users: int, user: Ints, moments: Moments
    ) -> None:
        at, known = integers(events[AT]), integers(events[KNOWN])
        order = by_key_and_time(user, at)
        self._user, self._at, self._known = user[order], at[order], known[order]
        self._events = events.drop_columns([USER, AT, KNOWN]).take(pa.array(order)).combine_chunks()
        self._asked, self._users, self._moments = asked, users, moments
        self._found: dict[tuple[object, ...], Any] = {}

    def column(self, feature: Aggregate) -> pa.Array:
        """A feature, (m,), with its default where there is nothing to aggregate."""
        window = microseconds(feature.window) if feature.window else None
        found = self._values(feature.spec, window)
        values = pa.array(found, mask=np.isnan(found))
        spec = feature.spec
        if isinstance(spec, Last) and self._is_text(spec.column):
            values = self._coded(spec.column).dictionary.take(values.cast(pa.int64()))
        default = feature.default
        return values if default is None else pc.fill_null(values, pa.scalar(default, values.type))

    def _values(self, spec: FeatureSpec, window: int | None) -> Floats:
        """(m,) an aggregation, NaN where there is nothing to aggregate."""
        if isinstance(spec, Quantile):
            return self._over(self._of_column(spec), window, partial(core.quantile, which=spec.quantile))
        if isinstance(spec, TimeBetween):
            return self._over(self._that_open_or_close(spec), window, _seconds_between)
        if isinstance(spec, RatePerSession):
            sessions = partial(core.sessions, gap=microseconds(spec.session_gap))
            visits = self._over(self._all({}), window, sessions)
            return np.asarray(self._over(self._all(spec.where), window, core.count) / visits)
        kept = self._kept(spec)
        events = self._of_column(spec, kept) if isinstance(spec, OfColumn) else self._all(spec.where, kept)
        return self._over(events, window, _OF_WINDOWS[spec.aggregation])

    def _over(self, events: Events, window: int | None, aggregate: Callable[[Windows], Floats]) -> Floats:
        found = np.full(self._moments.user.size, np.nan)
        windows = self._once(("windows", events, window), lambda: events.windows(self._moments, window))
        for places, known in events.known_in(windows, self._moments.known):
            found[places] = aggregate(known)
        return found

    def _of_column(self, spec: OfColumn, kept: str = "") -> Events:
        """Those that its condition holds for and that have a value; and days of theirs that are merged."""
        return self._once(
            ("events", self._asked.index(spec.where), spec.column, kept),
            lambda: self._those(
                self._holds(spec.where) & self._has_value(spec.column), self._numbers(spec.column), kept
            ),
        )

    def _all(self, condition: Condition, kept: str = "") -> Events:
        """Those that a condition holds for."""
        return self._once(
            ("events", self._asked.index(condition), kept),
            lambda: self._those(self._holds(condition), np.zeros(self._at.size), kept),
        )

    def _kept(self, spec: FeatureSpec) -> str:
        """The column of flags of those days that are merged already for a feature; empty where none are."""
        state = state_of(spec)
        name = f"{STATE}{state.of}" if state else ""
        return name if name in self._events.column_names else ""

    def _that_open_or_close(self, spec: TimeBetween) -> Events:
        opens, closes = self._holds(spec.where), self._holds(spec.until)
        does = np.where(opens & closes, _BOTH, np.where(opens, _OPENS, _CLOSES))
        return self._those(opens | closes, does)

    def _those(self, rows: Bools, values: Floats, kept: str = "") -> Events:
        places = np.flatnonzero(rows | self._flags(kept) if kept else rows)
        user, at, values = self._user[places], self._at[places], values[places]
        merged = self._merged(places, at, values) if kept else None
        return Events.of(self._users, user, at, self._known[places], values, merged)

    def _merged(self, places: Ints, at: Ints, values: Floats) -> Merged:
        """What some rows stand for: a state of a day for what it says, an event for itself."""
        events = {BEGAN: pa.array(at), COUNT: pa.array(np.ones_like(at))}
        events |= dict.fromkeys((TOTAL, LEAST, MOST), pa.array(values))
        said = self._events.select(list(events)).take(pa.array(places))
        said = said.cast(pa.schema({name: each.type for name, each in events.items()}))
        return Merged(*(np.asarray(pc.coalesce(said[name], each)) for name, each in events.items()))

    def _holds(self, condition: Condition) -> Bools:
        return self._flags(f"{CONDITION}{self._asked.index(condition)}")

    def _flags(self, name: str) -> Bools:
        return np.asarray(self._events[name], dtype=np.bool_)

    def _has_value(self, column: str) -> Bools:
        return np.asarray(pc.is_valid(self._events[column]), dtype=np.bool_)

    def _numbers(self, column: str) -> Floats:
        """A column as numbers: of a category the place of each in the order of their texts."""
        if not self._is_text(column):
            return np.asarray(self._events[column], dtype=np.float64)
        return np.asarray(pc.fill_null(self._coded(column).indices, 0), dtype=np.float64)

    def _coded(self, column: str) -> pa.DictionaryArray:
        return self._once(("coded", column), lambda: in_order_of_text(self._events[column]))

    def _is_text(self, column: str) -> bool:
        return bool(pa.types.is_string(self._events[column].type))

    def _once(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What was made for the key, or is made now."""
        if key not in self._found:
            self._found[key] = make()
        return cast(Made, self._found[key])


def in_order_of_text(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """(n,) texts as places in the order of those that occur."""
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    order = np.asarray(pc.array_sort_indices(coded.dictionary))
    indices = pa.array(places_in(order)).take(coded.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), coded.dictionary.take(pa.array(order)))


def _seconds_between(windows: Windows) -> Floats:
    does = windows.events.values
    return core.time_between(windows, does <= _BOTH, does >= _BOTH)


def known_at(at: pa.ChunkedArray, landed: pa.ChunkedArray | None = None) -> pa.ChunkedArray:
    """(n,) when events were known: when they landed, or else once their (UTC) day was over."""
    over = pc.add(pc.floor_temporal(at, unit="day"), _ONE_DAY).cast(INSTANT)
    return over if landed is None else pc.coalesce(landed, over)


def with_known(events: pa.Table) -> pa.Table:
    """With the time at which each event was known, and numbers as features aggregate them."""
    known = known_at(events[AT], events[LANDED] if LANDED in events.column_names else None)
    fields = [f.with_type(pa.float64()) if pa.types.is_integer(f.type) else f for f in events.schema]
    return events.cast(pa.schema(fields)).append_column(KNOWN, known)


def integers(column: pa.ChunkedArray) -> Ints:
    """(n,) whole numbers, or moments in microseconds."""
    return np.asarray(column.cast(pa.int64()).combine_chunks())
