"""A day's events of users merged, for features of many days; and these beside the events of other days."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core import features as core
from nightslate.core.arrays import Floats, Ints
from nightslate.core.features import Events, Windows
from nightslate.core.features.ranges import reduced
from nightslate.core.ordering import by_key_and_time
from nightslate.kernels.features import (
    AT,
    BEGAN,
    CONDITION,
    COUNT,
    KNOWN,
    LEAST,
    MOST,
    STATE,
    TOTAL,
    USER,
    holds,
    in_order_of_text,
    integers,
    with_known,
)
from nightslate.kernels.lists import place_in
from nightslate.programs.days import end_of
from nightslate.programs.feature_states import StateOfDay, state_of, states_of
from nightslate.programs.features import Aggregate, first_day_of
from nightslate.records.instants import INSTANT

OF, PART, NUMBER, TEXT = "of", "part", "number", "text"
COLUMNS = (USER, OF, BEGAN, AT, KNOWN, COUNT, TOTAL, LEAST, MOST, NUMBER, TEXT)
"""What is read of the table feature_states."""


@dataclass(frozen=True)
class MergedDay:
    """states: what is kept of the events of a day."""

    states: Sequence[StateOfDay]

    def __call__(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Rows of the table feature_states of some users, from the rows of the day by log."""
        logs = {source: with_known(rows) for source, rows in tables.items()}
        merged = pa.concat_tables(_merged(logs[each.source], each) for each in self.states)
        return merged.sort_by([(name, "ascending") for name in (USER, OF, PART)])


def _merged(events: pa.Table, state: StateOfDay) -> pa.Table:
    there = pc.is_valid(events[state.column or USER])
    events = events.filter(pc.and_(holds(events, state.where), there))
    users = pc.unique(events[USER])
    user, (values, texts) = place_in(events[USER], users), _values(events, state.column)
    group, part = _told_apart(user, values) if state.distinct else (user, np.zeros(len(users), np.int64))
    at, known = integers(events[AT]), integers(events[KNOWN])
    order = by_key_and_time(group, at)
    grouped = Events.of(part.size, group[order], at[order], known[order], values[order])
    whole = Windows(grouped, np.zeros_like(part), grouped.first[:-1], grouped.first[1:])
    known_at = reduced(np.maximum, grouped.known, whole.low, whole.high, whole.low)
    is_number = state.column is not None and texts is None
    of_numbers = {TOTAL: core.total, LEAST: core.least, MOST: core.most, NUMBER: core.last}
    last = core.last(whole).astype(np.int64)
    return pa.table(
        {
            USER: users.take(pa.array(user[order][whole.low])),
            OF: pa.repeat(pa.scalar(state.of), part.size),
            PART: part,
            BEGAN: pa.array(grouped.at[whole.low]).cast(INSTANT),
            AT: pa.array(grouped.at[whole.high - 1]).cast(INSTANT),
            KNOWN: pa.array(known_at).cast(INSTANT),
            COUNT: core.count(whole).astype(np.int64),
            **{
                name: pa.array(aggregate(whole), mask=np.full(part.size, not is_number))
                for name, aggregate in of_numbers.items()
            },
            TEXT: pa.nulls(part.size, pa.string()) if texts is None else texts.take(pa.array(last)),
        }
    )


def _values(events: pa.Table, column: str | None) -> tuple[Floats, pa.StringArray | None]:
    """(n,) values as numbers, of texts their places among those that occur; and these."""
    if column is None:
        return np.zeros(events.num_rows), None
    if not pa.types.is_string(events[column].type):
        return np.asarray(events[column], dtype=np.float64), None
    coded = in_order_of_text(events[column])
    return np.asarray(coded.indices, dtype=np.float64), coded.dictionary


def _told_apart(user: Ints, values: Floats) -> tuple[Ints, Ints]:
    """(n,) groups of a user's events of one value; and of each group which it is of its user's, in the order
    of values."""
    of_each, value = np.unique(values, return_inverse=True)
    groups, group = np.unique(user * max(of_each.size, 1) + value, return_inverse=True)
    owner = groups // max(of_each.size, 1)
    return group, np.arange(owner.size) - np.searchsorted(owner, owner)


def outside(events: pa.Table, days: Collection[date]) -> pa.Table:
    """The events of other days than these."""
    day = events[AT].cast(pa.timestamp("us")).cast(pa.date32())
    return events.filter(pc.invert(pc.is_in(day, pa.array(days, pa.date32()))))


def with_states(events: pa.Table, states: pa.Table, features: Sequence[Aggregate], ds: date) -> pa.Table:
    """Events, as `that_matter` gives them, and after them the rows of feature_states that are of any of the
    features, and in any window of theirs that ends with ds, each with a flag in the column of its state."""
    parts = [events]
    for state in states_of(features):
        first = first_day_of(ds, [each for each in features if state_of(each.spec) == state])
        in_time = pc.greater_equal(states[AT], pa.scalar(end_of(first - timedelta(days=1)), INSTANT))
        mine = states.filter(pc.and_(pc.equal(states[OF], state.of), in_time))
        columns = {name: mine[name] for name in (USER, AT, KNOWN, BEGAN, COUNT, TOTAL, LEAST, MOST)}
        if state.column:
            is_text = pa.types.is_string(events.schema.field(state.column).type)
            columns[state.column] = mine[TEXT if is_text else NUMBER]
        flags = pa.repeat(pa.scalar(True), mine.num_rows)
        parts.append(pa.table({**columns, f"{STATE}{state.of}": flags}))
    found = pa.concat_tables(parts, promote_options="default")
    return pa.table(
        {
            name: pc.fill_null(column, False) if name.startswith((CONDITION, STATE)) else column
            for name, column in zip(found.column_names, found.columns, strict=True)
        }
    )
