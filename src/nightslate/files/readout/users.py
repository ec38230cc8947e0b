"""Rows of an experiment's file, and the users that they are of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import Ids, found_column, ids, numbers, only, texts
from nightslate.files.hashes import text_keys
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.rows import Rows
from nightslate.records.days import days

USER, VARIANT, SEGMENT, DAY, PROBABILITY, ROWS = (
    "user",
    "variant",
    "segment",
    "day",
    "probability",
    "rows",
)
"""Columns of rows and users: the user's key, the places of variant and segment among their names, the day,
the probability of the assignment, and how many rows there are. Columns of the file are named `sum/NAME`."""


def sum_of(column: str | None) -> str:
    """The column of what is summed up; of none, how many rows there are."""
    return ROWS if column is None else f"sum/{column}"


def good_rows(
    rows: Rows, options: ReadoutOptions, variants: pa.Array, segments: pa.Array, bad: BadRows
) -> pa.Table:
    """The rows that can be used, with the columns above; what is wrong with the others goes to `bad`.
    variants, segments: all names there are."""
    one = pa.array(np.zeros(rows.numbers.size, dtype=np.int64))
    columns = {
        USER: pa.array(text_keys(texts(rows, options.user, bad))),
        VARIANT: _places(ids(rows, options.variant, bad), variants),
        SEGMENT: _places(ids(rows, options.segment, bad), segments) if options.segment else one,
        DAY: found_column(rows, options.date, bad, days).cast(pa.int32()) if options.date else one,
        ROWS: pa.array(np.ones(rows.numbers.size)),
    }
    if options.probability:
        probability = numbers(rows, options.probability, bad)
        outside = ~((probability > 0) & (probability <= 1))
        bad.blame(outside, f"{options.probability} is not in (0, 1]", options.probability)
        columns[PROBABILITY] = pa.array(probability)
    for name in options.numbers:
        columns[sum_of(name)] = pa.array(numbers(rows, name, bad))
    return only(pa.table(columns), bad.good)


@dataclass(frozen=True)
class Users:
    """rows: one for each user and variant, with the columns above. of_several: how many users have rows of
    more than one variant and no first one; moved: how many were in another after their first; of_segments:
    how many have rows of more than one segment, the first of which counts."""

    rows: pa.Table
    of_several: int = 0
    moved: int = 0
    of_segments: int = 0

    @property
    def of_rows(self) -> int:
        """How many rows of the file they are made of."""
        return int(np.asarray(self.rows[ROWS]).sum())

    def notes(self, segment: str | None) -> tuple[str, ...]:
        """What there is to say of those that are not of one variant or segment. segment: its column."""
        found = []
        if self.moved:
            found.append(
                f"{self.moved:,} users were in another variant later: all their rows count for the first"
            )
        if self.of_segments:
            found.append(f"{self.of_segments:,} users have several values of {segment}: the first counts")
        return tuple(found)


def by_user(rows: pa.Table, dated: bool) -> Users:
    """Rows of users, in any order, as users. A user with rows of several variants is of that of the first
    day, and all rows count for it; where there are no days, or several on the first, a user of each.

    Raises ContractError for users whose rows do not agree on the probability, if no day says which is
    first."""
    keys = {name: np.asarray(rows[name]) for name in (USER, DAY, VARIANT, SEGMENT)}
    probability = (
        np.asarray(rows[PROBABILITY]) if PROBABILITY in rows.column_names else np.ones(rows.num_rows)
    )
    order = np.lexsort((probability, keys[SEGMENT], keys[VARIANT], keys[DAY], keys[USER]))
    user, day, variant, segment = (keys[name][order] for name in (USER, DAY, VARIANT, SEGMENT))
    is_first = _changes(user)
    first = np.maximum.accumulate(np.where(is_first, np.arange(user.size), 0))
    on_first_day = day == day[first]
    several = (variant != variant[first]) & on_first_day
    of_several = np.isin(user, user[several])
    assigned = variant if not dated else np.where(of_several, variant, variant[first])
    unit_order = np.lexsort((np.arange(user.size), assigned, user))
    order, starts = order[unit_order], np.flatnonzero(_changes(user[unit_order], assigned[unit_order]))
    ordered = rows.take(pa.array(order))
    if not dated and PROBABILITY in rows.column_names:
        _require_one_probability(np.asarray(ordered[PROBABILITY]), starts)
    taken = {name: ordered[name].take(pa.array(starts)) for name in ordered.column_names}
    sums = [name for name in rows.column_names if name not in (USER, VARIANT, SEGMENT, DAY, PROBABILITY)]
    for name in sums:
        taken[name] = pa.array(np.add.reduceat(np.asarray(ordered[name]), starts))
    taken[VARIANT] = pa.array(assigned[unit_order][starts])
    return Users(
        pa.table(taken),
        of_several=int(np.unique(user[several]).size),
        moved=int(np.unique(user[(variant != variant[first]) & ~on_first_day & ~of_several]).size),
        of_segments=int(np.unique(user[segment != segment[first]]).size),
    )


def _places(found: Ids, names: pa.Array) -> pa.Array:
    """(n,) of each row's among all names; those of bad rows mean nothing."""
    at: Ints = np.asarray(pc.fill_null(pc.index_in(found.distinct, names), 0), dtype=np.int64)
    return pa.array(at[found.places])


def _changes(*columns: Ints) -> Bools:
    """(n,) where any of them is another than in the row before."""
    changes = np.ones(columns[0].size, dtype=np.bool_)
    changes[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changes


def _require_one_probability(probability: Floats, starts: Ints) -> None:
    differ = np.maximum.reduceat(probability, starts) != np.minimum.reduceat(probability, starts)
    if differ.any():
        raise ContractError(
            f"{np.count_nonzero(differ):,} users have rows with different probabilities of the variant that"
            " they are in: add --date COLUMN, which says with which they were assigned first"
        )
