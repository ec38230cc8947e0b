"""The features of users as the warehouse keeps them, and beside what is learnt from or scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.errors import LeakError
from nightslate.kernels.calendar import Calendar
from nightslate.kernels.consents import Consents, Needs, as_agreed
from nightslate.kernels.credited import OF_CREDITS, as_events
from nightslate.kernels.feature_states import outside, with_states
from nightslate.kernels.features import (
    AT,
    LANDED,
    USER,
    features_as_of,
    integers,
    that_matter,
    with_known,
)
from nightslate.kernels.keyed_features import KEY, Values, keyed_as_of, with_key
from nightslate.kernels.known_of_arms import KnownOfArms
from nightslate.kernels.leaks import AS_OF, Compute, leaking
from nightslate.programs.days import end_of
from nightslate.programs.feature_states import that_merge
from nightslate.programs.features import ARM, Aggregate, columns_looked_at
from nightslate.records.instants import INSTANT

JOINED_BY = {"impressions": (USER, AT), "features": (USER, AS_OF)}
"""The columns that say which features stand beside which impression."""


def columns_read(source: str, aggregates: Iterable[Aggregate]) -> tuple[str, ...]:
    """What is read of a log for features of it."""
    specs = [each.spec for each in aggregates]
    if source == "credits":
        looked_at = [name for name in columns_looked_at(specs) if name != ARM]
        return tuple(dict.fromkeys([*OF_CREDITS, *looked_at]))
    landed = [LANDED] if source == "activity" else []
    of_arm = [ARM] if any(spec.by for spec in specs) else []
    return tuple(dict.fromkeys([USER, AT, *landed, *of_arm, *columns_looked_at(specs)]))


@dataclass(frozen=True)
class FeaturesOfDay:
    """Of each user of whom there is anything: as of the end of the day, and, if `of_decisions`, of each
    decision. aggregates: by the log that they are of. values: those of arms that features are told apart
    by. merged: the days of which states are read, in place of events, where these are enough. needs: by
    feature that takes a consent the column that says whether a user has given it."""

    aggregates: Mapping[str, tuple[Aggregate, ...]]
    ds: date
    of_decisions: bool
    values: Values = field(default_factory=dict)
    merged: frozenset[date] = frozenset()
    needs: Needs = field(default_factory=dict)

    def __call__(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Rows of the table `features` for those of some users who have any that is not the default, from the
        rows of the windows before in the logs that features are of, and their `decisions` of the day; of
        credits, from the impressions that are `credited`; of days that are merged, from `feature_states`.
        Where a feature takes a consent, `users` say of the end of the day whether they give it, and decisions
        say it themselves: without it the feature is null, and there is a row that says so.
        Raises LeakError where what was not there yet would change them."""
        if "credits" in self.aggregates:
            tables = {**tables, "credits": as_events(tables["credits"], tables["credited"])}
        computations = list(self._computations(tables))
        asked = self._moments([events[USER] for events, _ in computations], tables)
        moments, columns = asked.select([USER, AS_OF]), _by_name(asked)
        for events, compute in computations:
            leaks = leaking(compute, events, moments, f"{self.ds}")
            if leaks:
                raise LeakError(
                    f"features of {self.ds} look at what was not known at their moment: {', '.join(leaks)};"
                    " this is a fault of nightslate, and nothing was written"
                )
            columns |= _by_name(compute(events, moments))
        found = as_agreed(pa.table(columns), self.needs)
        return found.filter(_says_anything(found, [each for of in self.aggregates.values() for each in of]))

    def _computations(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[pa.Table, Compute]]:
        """Events, and how features of theirs are computed: those that are told apart by one thing at once,
        and of users alone those that states of days are enough for."""
        for source, aggregates in self.aggregates.items():
            known = with_known(tables[source])
            of_users = tuple(each for each in aggregates if each.spec.by is None)
            merging = that_merge(of_users)
            if merging and self.merged:
                events = that_matter(outside(known, self.merged), merging)
                events = with_states(events, tables["feature_states"], merging, self.ds)
                yield events, partial(at_moments, merging)
                of_users = tuple(each for each in of_users if each not in merging)
            if of_users:
                yield that_matter(known, of_users), partial(at_moments, of_users)
            for by in dict.fromkeys(each.spec.by for each in aggregates if each.spec.by is not None):
                mine = tuple(each for each in aggregates if each.spec.by == by)
                keyed = with_key(known, by, self.values)
                yield that_matter(keyed, mine, [KEY]), partial(keyed_as_of, mine)

    def _moments(self, of_events: Sequence[pa.ChunkedArray], tables: Mapping[str, pa.Table]) -> pa.Table:
        """What features are wanted of: each user and moment once, in order, with the consents given."""
        consents = Consents.of(self.needs, tables["users"]) if self.needs else None
        refusing = consents.refusing()[USER].chunks if consents else []
        of_users = [*(chunk for each in of_events for chunk in each.chunks), *refusing]
        users = pa.chunked_array([pc.unique(pa.chunked_array(of_users, pa.string()))])
        said = consents.said_by(users) if consents else {}
        ends = {USER: users, AS_OF: pa.repeat(pa.scalar(end_of(self.ds), INSTANT), len(users)), **said}
        moments = [pa.table(ends)]
        if self.of_decisions:
            decisions = tables["decisions"].select([USER, AT, *said]).rename_columns([USER, AS_OF, *said])
            known = pc.is_in(decisions[USER], users.combine_chunks())
            moments.append(decisions.filter(known).cast(moments[0].schema))
        once = pa.concat_tables(moments).group_by([USER, AS_OF], use_threads=False)
        asked = once.aggregate([(name, "min") for name in said]).rename_columns([USER, AS_OF, *said])
        return asked.sort_by([(USER, "ascending"), (AS_OF, "ascending")])


def _says_anything(features: pa.Table, wanted: Iterable[Aggregate]) -> pa.Array:
    """(n,) where any of the features is not its default, or may not be known; by arm, where there is any at
    all."""
    anything = np.zeros(features.num_rows, dtype=np.bool_)
    for each in wanted:
        column = features[each.name].combine_chunks()
        if each.spec.by:
            anything |= np.diff(column.offsets) > 0
        else:
            anything |= np.asarray(pc.fill_null(pc.not_equal(column, each.default), True), dtype=np.bool_)
    return pa.array(anything)


def events_of(rows: pa.Table, aggregates: tuple[Aggregate, ...]) -> pa.Table:
    """Rows of a log as the events that features are of, of its `columns_read`."""
    return that_matter(with_known(rows), aggregates)


def at_moments(aggregates: tuple[Aggregate, ...], events: pa.Table, moments: pa.Table) -> pa.Table:
    """The moments, of users, with features of the events (see `events_of`)."""
    users = pc.unique(moments[USER])
    place = events.schema.get_field_index(USER)
    numbered = events.set_column(place, USER, pc.fill_null(_places(events[USER], users), -1))
    at = integers(moments[AS_OF])
    user = np.asarray(_places(moments[USER], users))
    found = features_as_of(numbered, aggregates, user, at, at)
    return pa.table({**_by_name(moments), **_by_name(found)})


@dataclass(frozen=True)
class KnownFeatures:
    """Which features stand beside rows of logs. defaults: of each feature of users, for those who have none;
    of_decisions: whether they are as of the decision, or as of the end of the day before it; keyed: features
    by arm, of which null says that there is nothing but defaults; of_arms: those of arms alone; calendar:
    those of the moment alone; needs: by feature that takes a consent the column that says whether a user has
    given it; where rows have that column too, it counts beside what the features were made by."""

    defaults: Mapping[str, float | str]
    of_decisions: bool
    keyed: tuple[str, ...] = ()
    of_arms: KnownOfArms | None = None
    calendar: Calendar = field(default_factory=Calendar)
    needs: Needs = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All of those that users have."""
        return (*self.defaults, *self.keyed)

    def beside(self, rows: pa.Table, features: pa.Table) -> pa.Table:
        """Rows of users at `occurred_at`, with those of their features that are read."""
        at = rows[AT].cast(INSTANT)
        of_day = pc.floor_temporal(at, unit="day")
        found = self._joined(rows, features, at if self.of_decisions else of_day)
        return self.of_arms.beside(found, of_day) if self.of_arms else found

    def as_of(self, rows: pa.Table, features: pa.Table, moment: datetime) -> pa.Table:
        """Users, with their features at one moment."""
        moments = pa.chunked_array([pa.repeat(pa.scalar(moment, INSTANT), rows.num_rows)])
        found = self._joined(rows, features, moments)
        return self.of_arms.beside(found, moments) if self.of_arms else found

    def _joined(self, rows: pa.Table, features: pa.Table, moment: pa.ChunkedArray) -> pa.Table:
        rows = self.calendar.beside(rows, moment)
        place = _place_of(rows[USER], moment, features[USER], features[AS_OF].cast(INSTANT))
        for name, default in self.defaults.items():
            if name in features.column_names:
                values = features[name].combine_chunks().take(place)
                nothing = place.is_null() if name in self.needs else values.is_null()
                rows = rows.append_column(name, pc.if_else(nothing, pa.scalar(default, values.type), values))
        for name in self.keyed:
            if name in features.column_names:
                rows = rows.append_column(name, features[name].combine_chunks().take(place))
        there = {*rows.column_names}
        return as_agreed(rows, {name: given for name, given in self.needs.items() if {name, given} <= there})


def _place_of(
    users: pa.ChunkedArray, moments: pa.ChunkedArray, of_users: pa.ChunkedArray, of_moments: pa.ChunkedArray
) -> pa.Array:
    """(n,) which of m rows is of this user and moment; null where none is."""
    known_users, known_moments = pc.unique(of_users), pc.unique(of_moments)

    def keys(user: pa.ChunkedArray, moment: pa.ChunkedArray) -> Ints:
        of_user, of_moment = (
            np.asarray(pc.fill_null(pc.index_in(values, among), -1)).astype(np.int64)
            for values, among in ((user, known_users), (moment, known_moments))
        )
        return np.where((of_user < 0) | (of_moment < 0), -1, of_user * len(known_moments) + of_moment)

    there, wanted = keys(of_users, of_moments), keys(users, moments)
    order = np.argsort(there, kind="stable")
    place = np.searchsorted(there, wanted, sorter=order)
    found = np.append(order, -1)[place]
    is_there = (wanted >= 0) & (np.append(there, -1)[found] == wanted)
    return pa.array(found, mask=~is_there)


def _places(users: pa.ChunkedArray, among: pa.Array) -> pa.ChunkedArray:
    return pc.index_in(users, among).cast(pa.int64())


def _by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))
