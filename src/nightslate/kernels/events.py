"""Impressions and outcomes of some users as the numbers that attribution works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints

UNKNOWN = -1
_DAY_US = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Events:
    """Rows of a log that have users we ask about. user (n,): a number for each; at (n,): their places in the
    log, whose columns are looked up only when and where they are asked for."""

    log: pa.Table
    at: Ints
    user: Ints
    id_column: str

    @classmethod
    def of(cls, log: pa.Table, users: pa.Array, id_column: str) -> Events:
        """The rows of these users, whose number is their place."""
        user = codes(log["user_id"], users)
        at = np.flatnonzero(user != UNKNOWN)
        return cls(log, at, user[at], id_column)

    def take(self, column: str, places: Ints | None = None) -> pa.ChunkedArray:
        """A column of some of the rows, or of all."""
        return self.log[column].take(pa.array(self.at if places is None else self.at[places]))

    @cached_property
    def time(self) -> Ints:
        """(n,) occurred_at in microseconds."""
        stamps = self.log["occurred_at"].cast(pa.timestamp("us", "UTC"))
        return np.asarray(stamps.cast(pa.int64()), dtype=np.int64)[self.at]

    @cached_property
    def slot(self) -> Ints:
        """(n,) 0 where the rows have no slots."""
        if "slot" not in self.log.column_names:
            return np.zeros(self.at.size, dtype=np.int64)
        return np.asarray(pc.fill_null(self.log["slot"], 0), dtype=np.int64)[self.at]

    def ranks(self, places: Ints) -> Ints:
        """The order of the ids of some rows."""
        ranks = np.empty(places.size, dtype=np.int64)
        ranks[np.asarray(pc.sort_indices(self.take(self.id_column, places)))] = np.arange(places.size)
        return ranks

    def codes(self, column: str, known: pa.Array) -> Ints:
        """(n,) the place of each value of a column among those that are known; -1 for others and for none."""
        if column not in self.log.column_names:
            return np.full(self.at.size, UNKNOWN)
        return codes(self.take(column), known)

    def says(self, column: str) -> Bools:
        """(n,) whether a column has a value."""
        if column not in self.log.column_names:
            return np.zeros(self.at.size, dtype=np.bool_)
        return np.asarray(self.log[column].is_valid())[self.at]

    @cached_property
    def user_day(self) -> Ints:
        """(n,) one number for each user and UTC day."""
        day = self.time // _DAY_US
        first = day.min(initial=0)
        return np.asarray(self.user * (day.max(initial=0) - first + 1) + day - first)

    @cached_property
    def _kind(self) -> tuple[list[str], Ints]:
        kinds = pc.unique(self.log["kind"])
        return kinds.to_pylist(), codes(self.log["kind"], kinds)[self.at]

    def by_kind(self, values: Mapping[str, float], default: float) -> Floats:
        """(n,) a number for each row's kind."""
        kinds, kind = self._kind
        return np.array([values.get(name, default) for name in kinds], dtype=np.float64)[kind]

    def of_kinds(self, chosen: Mapping[str, str], default: str) -> Mapping[str, Bools]:
        """Which rows (n,) each choice is of: that of their kind, or the default."""
        kinds, kind = self._kind
        choices = [chosen.get(name, default) for name in kinds]
        return {
            choice: np.array([c == choice for c in choices], dtype=np.bool_)[kind] for choice in set(choices)
        }


def codes(values: pa.ChunkedArray, known: pa.Array) -> Ints:
    """(n,) the place of each value among those that are known; -1 for others and for null."""
    places = pc.index_in(values, known, skip_nulls=True)
    return np.asarray(pc.fill_null(places, UNKNOWN), dtype=np.int64)
