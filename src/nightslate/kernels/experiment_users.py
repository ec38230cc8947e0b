"""The users of an experiment: the variant that each was assigned to first, and since when they were shown
anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.kernels.features import AT, USER, integers
from nightslate.kernels.lists import place_in
from nightslate.kernels.ordering import order_by
from nightslate.programs.days import microseconds
from nightslate.programs.readouts import FORMER, MOVED
from nightslate.records.instants import INSTANT
from nightslate.tables.files import Filter

Scope = Literal["assigned", "exposed"]

ASSIGNMENT_COLUMNS = ("user_id", "experiment", "variant", "slate_date")
OWN = "probabilities"
"""The column of assignments that has a user's own probabilities, where an allocation follows the context."""
PATH = "path_probability"
"""That of the product of these, of the variants that the user was in; null where there is no such way."""
_MORNING = {"morning_variant": "variant", "morning_probabilities": OWN}
"""What the night drew, of users whom an update within the day moved; and what it stands beside."""

_PROBABILITY, _SINCE, _DAY_OF_SLATES = "probability", "since", "slate_date"
_ANEW = (pc.field(_SINCE) == pc.field(_DAY_OF_SLATES)) | pc.field(PATH).is_null()
CAME = Filter(_ANEW, (_SINCE, _DAY_OF_SLATES, PATH))
"""Assignments among which each user's first is: who stays in a variant of an allocation that follows the
context was put into it on an earlier day, which the row says."""
DRAWN = Filter(_ANEW | (pc.field(_PROBABILITY) < 1), (*CAME.columns, _PROBABILITY))
"""With these all of users who could have been put into another variant on the day."""

SHOWN_COLUMNS = ("impression_id", "user_id", "occurred_at", "variant", "arm_id")

DAY = microseconds(timedelta(days=1))
_FIRST_SHOWN = (AT, "impression_id")

_ROUNDING = 1e-6
"""Of a sum of probabilities, or a share."""

AS_EVERYONE = "as everyone"
"""Of `MOVED` the value of users whose shares are those of the day. No variant has a blank in its name."""

EPOCH = date(1970, 1, 1)
"""The day that days are counted from."""


@dataclass(frozen=True)
class Allocated:
    """An experiment as it was allocated. salt: what it is known by; variants: all that it ever had (k);
    shares: of each (k,), by the day of slates; by_user: whether some users had other probabilities, which
    stand beside their assignments."""

    salt: str
    variants: Sequence[str]
    shares: Mapping[date, Sequence[float]]
    by_user: bool = False

    @property
    def since(self) -> date:
        """The first day on which anybody was dealt. Raises ValueError where there is none."""
        return min(self.shares)

    @property
    def moves(self) -> bool:
        """Whether users had different probabilities."""
        return self.by_user or len({tuple(each) for each in self.shares.values()}) > 1

    @property
    def assignment_columns(self) -> tuple[str, ...]:
        """What is read of assignments."""
        of_users = (OWN, PATH, *_MORNING, _PROBABILITY, _SINCE)
        return (*ASSIGNMENT_COLUMNS, *(of_users if self.by_user else ()))

    def of_days(self, days: Ints) -> Floats:
        """(n, k) the shares on these days (n,), counted from 1970."""
        there, place = np.unique(days, return_inverse=True)
        shares = [self.shares[EPOCH + timedelta(days=int(day))] for day in there]
        return np.array(shares, dtype=np.float64).reshape(len(there), len(self.variants))[place]

    def of_users(self, first: pa.Table, days: Ints) -> tuple[Floats, Bools]:
        """(n, k) the probabilities of users by their first assignments, on these days (n,): their own where
        they have any, else the shares of the day; and (n,) whose are their own. Raises InvalidInputError
        where own ones are none, or not of the variants of the day."""
        found, own = self.of_days(days), np.zeros(len(days), dtype=np.bool_)
        if not self.by_user:
            return found, own
        lists = first[OWN].combine_chunks()
        own = np.asarray(lists.is_valid(), dtype=np.bool_)
        if not own.any():
            return found, own
        length = np.asarray(pc.list_value_length(lists.filter(lists.is_valid())), dtype=np.int64)
        dealt = np.where(length[:, None] == len(self.variants), True, found[own] > 0)
        if (dealt.sum(axis=1) != length).any():
            raise InvalidInputError(
                f"assignments of {self.salt}: users have {sorted({*length.tolist()})} probabilities of their"
                f" own, where the experiment has the variants {', '.join(self.variants)}; `{OWN}` has to have"
                " one for each variant of the day, in the order of their names"
            )
        mine = np.zeros((len(length), len(self.variants)))
        mine[dealt] = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
        if not (mine >= 0).all() or (np.abs(mine.sum(axis=1) - 1) > _ROUNDING).any():
            worst = mine[np.argmax(np.nan_to_num(np.abs(mine.sum(axis=1) - 1), nan=np.inf))].tolist()
            raise InvalidInputError(
                f"assignments of {self.salt}: `{OWN}` {worst} of a user are no probabilities: each has to be"
                " 0 or more, and their sum 1"
            )
        found[own] = mine
        return found, own


def with_former_variant(impressions: pa.Table, assignments: pa.Table, salt: str, before: date) -> pa.Table:
    """Impressions, with the variant of another experiment that their users were last in before a day; null
    where they were in none. assignments: in the order of days."""
    former = (pc.field("experiment") == salt) & (pc.field("slate_date") < before)
    theirs = assignments.filter(former).combine_chunks()
    ids = pc.unique(theirs[USER])
    last = np.full(len(ids) + 1, -1)
    last[place_in(theirs[USER], ids)] = np.arange(theirs.num_rows)
    place = last[place_in(impressions[USER], ids)]
    variants = theirs["variant"].combine_chunks()
    return impressions.append_column(FORMER, variants.take(pa.array(place, mask=place < 0)))


def _as_the_night_drew(assignments: pa.Table) -> pa.Table:
    """Before any update within the day: who was first assigned on it may have been shown that variant."""
    for name, now in _MORNING.items():
        if name in assignments.column_names:
            place = assignments.column_names.index(now)
            drawn = pc.coalesce(assignments[name], assignments[now])
            assignments = assignments.set_column(place, now, drawn)
    return assignments


@dataclass(frozen=True, eq=False)
class ExperimentUsers:
    """Of u users their ids; the place (u,) of the variant of the first assignment, which each stays in; the
    first moment (u,) of that day; the probabilities (u, k) of all variants on it; and which variants each
    could be in, could (u, k): one whose own probability is 0 is none of them. shown: impressions at
    or after that moment, in the order of time; shown_to: (i,) the place of each one's user; first: (u,) the
    place of each user's first impression, -1 where there is none."""

    ids: pa.Array
    variant: Ints
    assigned: Ints
    probabilities: Floats
    could: Bools
    shown: pa.Table
    shown_to: Ints
    first: Ints

    @classmethod
    def of(cls, allocated: Allocated, assignments: pa.Table, impressions: pa.Table) -> Self:
        """Those among some users, given their assignments in the order of days. Raises InvalidInputError
        where someone is in a variant with probability 0."""
        mine = _as_the_night_drew(assignments.filter(pc.equal(assignments["experiment"], allocated.salt)))
        ids = pc.unique(mine[USER])
        ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        _, begin = np.unique(place_in(mine[USER], ids), return_index=True)
        variant = place_in(mine["variant"], pa.array(allocated.variants, pa.string()))[begin]
        day = np.asarray(mine["slate_date"].cast(pa.int32()).combine_chunks(), dtype=np.int64)[begin]
        assigned = day * DAY
        ordered = impressions.take(order_by(impressions, _FIRST_SHOWN))
        user, at = place_in(ordered[USER], ids), integers(ordered[AT].cast(INSTANT))
        since = np.append(assigned, np.iinfo(np.int64).max)[user]
        counts = at >= since
        shown, shown_to = ordered.filter(pa.array(counts)), user[counts]
        first = np.full(variant.size, -1)
        there, begins = np.unique(shown_to, return_index=True)
        first[there] = begins
        probabilities, own = allocated.of_users(mine.take(begin), day)
        could = (probabilities > 0) | ~own[:, None]
        impossible = np.flatnonzero(~could[np.arange(variant.size), variant])
        if impossible.size:
            user, name = ids[impossible[0]].as_py(), allocated.variants[variant[impossible[0]]]
            raise InvalidInputError(
                f"assignments of {allocated.salt}: {user} is in {name} with probability 0 by `{OWN}`; what"
                " drew the variant and what recorded the probabilities disagree"
            )
        return cls(ids, variant, assigned, probabilities, could, shown, shown_to, first)

    def told_by_moves(self, allocated: Allocated) -> Self:
        """With `MOVED` beside what they were shown: the variant whose probability was the most over its share
        of the day, when they were assigned first; `AS_EVERYONE` where none was over it."""
        over = self.probabilities - allocated.of_days(self.assigned // DAY)
        towards = np.where(over.max(axis=1) > _ROUNDING, over.argmax(axis=1), len(allocated.variants))
        names = pa.array([*allocated.variants, AS_EVERYONE])
        moved = names.take(pa.array(towards[self.shown_to]))
        return replace(self, shown=self.shown.append_column(MOVED, moved))

    @property
    def weight(self) -> Floats:
        """(u,) for how many of those like it in any variant a user stands."""
        return 1 / self.probabilities[np.arange(self.variant.size), self.variant]

    @property
    def shown_at(self) -> Ints:
        """(i,) when each impression was shown."""
        return integers(self.shown[AT].cast(INSTANT))

    def since(self, scope: Scope) -> tuple[Ints, Ints]:
        """(m,) the places of the users that are spoken of, and (m,) since when each counts."""
        if scope == "assigned":
            return np.arange(self.variant.size), self.assigned
        there = np.flatnonzero(self.first >= 0)
        return there, self.shown_at[self.first[there]]

    def shown_of(self, which: Bools) -> Bools:
        """(u,) the users who were shown any of some impressions (i,)."""
        found = np.zeros(self.variant.size, dtype=np.bool_)
        found[self.shown_to[which]] = True
        return found

    def segment(self, column: str | None) -> tuple[Ints, list[str | None]]:
        """(u,) the place of each user's value of a context column as of the first impression, -1 of users
        without one, and the values; without a column all are in one segment."""
        if column is None:
            return np.zeros(self.variant.size, dtype=np.int64), [None]
        values = self.shown[column].combine_chunks()
        codes = values.dictionary_encode(null_encoding="encode")
        of_row = np.asarray(codes.indices, dtype=np.int64)
        return np.append(of_row, -1)[self.first], codes.dictionary.to_pylist()
