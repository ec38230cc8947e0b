"""What users did, as sums over a window of each one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.credited import LAG, as_events
from nightslate.kernels.features import AT, USER, holds, integers
from nightslate.kernels.lists import place_in
from nightslate.kernels.rewards import Costs, costs_of
from nightslate.kernels.user_features import KnownFeatures
from nightslate.programs.features import ARM
from nightslate.programs.readouts import FEATURES, REWARDS, Measured
from nightslate.records.instants import INSTANT

_CREDIT, _BEGAN = "credit", "began_at"


class Counted(Protocol):
    """What is counted of each of u users over a time."""

    @property
    def rows(self) -> int:
        """How many rows say anything of it."""

    def totals(self, first: Ints, since: Ints, until: Ints) -> Floats:
        """(u,) of each user what was in [since, until), of what began at `first` or later; all three (u,), in
        microseconds."""


@dataclass(frozen=True, eq=False)
class Done:
    """Of n events the place (n,) of their user among u; when they were, and when that began which they came
    of (n,), in microseconds; and what each counts for (n,), or, where `values` (n,) are given, which of these
    it has: they are counted, each once, and -1 is none."""

    user: Ints
    at: Ints
    began: Ints
    amount: Floats
    values: Ints | None = None

    @classmethod
    def of(cls, part: Measured, rows: pa.Table, users: pa.Array) -> Self:
        """What is counted of the users (u,), given the rows of the log, see `rows_of`."""
        mine = rows.filter(pc.and_(holds(rows, part.where), pc.is_in(rows[USER], users)))
        at = _moments(mine[AT])
        amount, values = np.ones(at.size), None
        if part.source == REWARDS:
            amount = mine[_CREDIT].to_numpy()
        if part.column:
            amount = pc.fill_null(mine[part.column], 0.0).to_numpy()
        if part.distinct:
            values = place_in(mine[part.distinct], pc.unique(mine[part.distinct]).drop_null())
        began = _moments(mine[_BEGAN]) if part.source == REWARDS else at
        return cls(place_in(mine[USER], users), at, began, amount, values)

    @property
    def rows(self) -> int:
        return self.user.size

    def totals(self, first: Ints, since: Ints, until: Ints) -> Floats:
        """(u,) of each user what was in [since, until), of what began at `first` or later; all three (u,)."""
        user, counts = self.user, self._counts(first, since, until)
        if self.values is None:
            return np.bincount(user[counts], self.amount[counts], first.size).astype(np.float64)
        counts &= self.values >= 0
        width = int(self.values.max(initial=0)) + 1
        pairs = np.unique(user[counts] * width + self.values[counts])
        return np.bincount(pairs // width, minlength=first.size).astype(np.float64)

    def first(self, first: Ints, since: Ints, until: Ints) -> Ints:
        """(u,) the first moment of the same of each user, `until` where there is none."""
        found, counts = until.copy(), self._counts(first, since, until)
        np.minimum.at(found, self.user[counts], self.at[counts])
        return found

    def _counts(self, first: Ints, since: Ints, until: Ints) -> Bools:
        """(n,) the events of each user in [since, until), of what began at `first` or later."""
        user = self.user
        return (self.began >= first[user]) & (self.at >= since[user]) & (self.at < until[user])


@dataclass(frozen=True, eq=False)
class Known:
    """A feature of users (u,), as rows of the table `features` have it; its default, of those without a
    row."""

    name: str
    users: pa.Array
    features: pa.Table
    default: float

    @property
    def rows(self) -> int:
        return int(self.features.num_rows)

    def totals(self, first: Ints, since: Ints, until: Ints) -> Floats:  # noqa: ARG002
        """(u,) of each user as of the end of the last day that was over at `until` (u,)."""
        moments = pa.table({USER: self.users, AT: pa.array(until, pa.int64()).cast(INSTANT)})
        known = KnownFeatures({self.name: self.default}, of_decisions=False).beside(moments, self.features)
        return np.asarray(known[self.name].to_numpy(), dtype=np.float64)


def rows_of(source: str, tables: Mapping[str, pa.Table], arms: pa.Table, costs: Costs) -> pa.Table:
    """The rows of some users that are counted of a source, numbers as float64. arms: the arms that there are,
    each once, whose columns stand beside the rows that name one."""
    if source == REWARDS:
        return _earned(tables["impressions"], tables["credits"], costs)
    rows = tables[source]
    if source == FEATURES:
        return rows
    fields = [f.with_type(pa.float64()) if pa.types.is_integer(f.type) else f for f in rows.schema]
    rows = rows.cast(pa.schema(fields))
    of_arms = [name for name in arms.column_names if name != ARM]
    if ARM in rows.column_names and of_arms:
        place = pc.index_in(rows[ARM], arms[ARM].combine_chunks()).combine_chunks()
        for name in of_arms:
            rows = rows.append_column(name, arms[name].combine_chunks().take(place))
    return rows


def _earned(impressions: pa.Table, credits: pa.Table, costs: Costs) -> pa.Table:
    """What impressions earn, as it is earned, and what they cost, as they are shown."""
    credited, shown_at = as_events(credits, impressions), impressions[AT].cast(INSTANT)
    lag = np.rint(credited[LAG].to_numpy() * 1e6).astype("timedelta64[us]")
    earned = {
        USER: credited[USER],
        AT: credited[AT],
        _BEGAN: pc.subtract(credited[AT], pa.array(lag)),
        _CREDIT: credited[_CREDIT],
    }
    spent = {
        USER: impressions[USER],
        AT: shown_at,
        _BEGAN: shown_at,
        _CREDIT: pa.array(-costs_of(impressions, costs)),
    }
    return pa.concat_tables([pa.table(each) for each in (earned, spent)])


def _moments(column: pa.ChunkedArray) -> Ints:
    return integers(column.cast(INSTANT))
