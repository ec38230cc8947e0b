"""Units of work: some users of a bucket, and their rows in each table that a kernel reads.

Files are written by bucket, and sorted by user. A bucket of many rows is several units, each with a range of
its users, so that neither tasks nor their memory go by how many buckets there are. Which units there are
follows from the tables alone, and a kernel sees the same rows in the same order on every engine and however a
cluster looks: what it sums is equal to the last bit from run to run.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import ISSUE
from nightslate.kernels.consents import Consents, Needs, as_agreed
from nightslate.tables import DataFile
from nightslate.tables.files import USER, Filter, UserRange, rows_of_file

_ONE_DAY = timedelta(days=1)

ROWS_OF_A_UNIT = 2_000_000
"""A task reads about so many rows at most, over all days and tables: a gigabyte or less."""

Tables = Mapping[str, pa.Table]
"""The rows of one unit, by table."""


class Share(Protocol):
    """Some of what is to be gone over."""

    def read(self) -> Tables:
        """Its rows by table."""


class Shares(Protocol):
    """What is to be gone over, share by share."""

    @property
    def units(self) -> Sequence[Share]:
        """In their order."""

    @property
    def rows(self) -> int:
        """About how many there are in all."""


@dataclass(frozen=True)
class Input:
    """What is read of one table: which files, which columns, and their schema if there is no file.
    `users_of`: the table whose users alone are kept; `day_after`: its column of days, where they are kept of
    the day before alone. `partition`: the column that is the day of a file. `issue`: the one whose rows are
    kept, of a table whose files have those of several. `users`: those whose rows are kept, of a table that
    `has_users`; of credits, which know impressions alone, all are read. `which`: rows that are kept.
    `withdrawn`: what users do not agree to, which is null in what is read."""

    files: Sequence[DataFile]
    schema: pa.Schema
    users_of: str | None = None
    day_after: str | None = None
    partition: str = "ds"
    issue: str | None = None
    users: UserRange | None = None
    has_users: bool = False
    which: Filter | None = None
    withdrawn: Withdrawals | None = None

    def of_users_in(self, table: str, day_after: str | None = None) -> Input:
        """The rows of users that another input has too: on any day, or on the day after by a column of it."""
        return replace(self, users_of=table, day_after=day_after)

    def where(self, which: Filter) -> Input:
        """Some of the rows, by columns that are read. What has none of them by the footers of files is not
        looked at."""
        files = list[DataFile]()
        for file in self.files:
            groups = which.groups(file.path, self.schema, file.partition(self.partition))
            files += [replace(file, rows=sum(group.num_rows for group in groups))] if groups else []
        return replace(self, files=files, which=which)

    def of_issue(self, issue: str | None) -> Input:
        """The rows of one issue; all where it is None."""
        return replace(self, issue=issue)

    def as_it_was(self) -> Input:
        """All that was written, whatever users have withdrawn since."""
        return replace(self, withdrawn=None)

    def columns(self, names: Sequence[str]) -> Input:
        """Some of the columns."""
        schema = pa.schema([self.schema.field(name) for name in names])
        withdrawn = self.withdrawn.columns(names) if self.withdrawn else None
        has_users = self.has_users or USER in self.schema.names
        return replace(self, schema=schema, has_users=has_users, withdrawn=withdrawn)

    def coded(self, names: Collection[str]) -> Input:
        """Texts of these columns, or of lists in them, of few values, as places in a dictionary of them: what
        files have of them is then neither spelled out nor copied text by text."""
        fields = [f.with_type(_coded(f.type)) if f.name in names else f for f in self.schema]
        return replace(self, schema=pa.schema(fields))

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def of_bucket(self, bucket: int, users: UserRange | None = None) -> Input:
        """What lies in one bucket, of some of its users or of all."""
        files = tuple(file for file in self.files if file.bucket == bucket)
        with_users = self.has_users or USER in self.schema.names
        withdrawn = self.withdrawn.of_bucket(bucket, users) if self.withdrawn else None
        return replace(self, files=files, users=users if with_users else None, withdrawn=withdrawn)

    def read(self, users: pa.Array | None, others: pa.Table | None = None) -> pa.Table:
        """The rows of the files, in order, of some users or of all; of users who have a row in a table of
        others on the day after, where that is asked for."""
        parts = [self.schema.empty_table()]
        consents = self.withdrawn.read(users) if self.withdrawn else None
        for file in self.files:
            part = self._rows_of(file, consents)
            if others is not None and self.day_after:
                of_day = others.filter(pc.field(self.day_after) == file.day + _ONE_DAY)
                part = part.filter(pc.is_in(part[USER], pc.unique(of_day[USER])))
            parts.append(part)
        rows = pa.concat_tables(parts)
        kept = rows if users is None else rows.filter(pc.is_in(rows[USER], users))
        return kept.unify_dictionaries()

    def _rows_of(self, file: DataFile, consents: Consents | None) -> pa.Table:
        schema, by = self.schema, {ISSUE: self.issue, USER: self.users}
        looked_at = {name: pa.string() for name, wanted in by.items() if wanted is not None}
        looked_at |= self.withdrawn.looked_at if self.withdrawn else {}
        more = [pa.field(name, kind) for name, kind in looked_at.items() if name not in schema.names]
        schema = pa.schema([*schema, *more])
        rows = rows_of_file(file.path, schema, file.partition(self.partition), self.users, self.which)
        if self.issue is not None:
            rows = rows.filter(pc.equal(rows[ISSUE], self.issue))
        if consents is not None and self.withdrawn is not None:
            rows = as_agreed(rows, consents.needs) if self.withdrawn.own else rows
            rows = consents.withdrawn(rows)
        return rows.select(self.schema.names)


@dataclass(frozen=True)
class Withdrawals:
    """What users do not agree to any more. users: of the days that count; needs: by column that takes a
    consent the one that says who gave it; since: rows of users that have landed after these days; own:
    whether rows of the table say themselves under which consents they were written."""

    users: Input
    needs: Needs
    since: pa.Table | None = None
    own: bool = True

    def of_bucket(self, bucket: int, users: UserRange | None) -> Withdrawals:
        """Those of the users of one bucket, of some of them or of all."""
        return replace(self, users=self.users.of_bucket(bucket, users))

    def columns(self, names: Collection[str]) -> Withdrawals | None:
        """Those from some columns; None where none of them takes a consent."""
        needs = {name: consent for name, consent in self.needs.items() if name in names}
        return replace(self, needs=needs) if needs else None

    @property
    def looked_at(self) -> dict[str, pa.DataType]:
        """What is read of a row to know."""
        own = dict.fromkeys(self.needs.values(), pa.bool_()) if self.own else {}
        return {USER: pa.string(), **own}

    def read(self, users: pa.Array | None) -> Consents:
        """What some of the users say, or all."""
        said = self.users.read(users)
        since = [] if self.since is None else [self.since.select(said.column_names).cast(said.schema)]
        return Consents.of(self.needs, pa.concat_tables([said, *since]))


def _coded(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_coded(kind.value_type)))
    return pa.dictionary(pa.int32(), kind)


@dataclass(frozen=True)
class Unit:
    """One share of the work: of a bucket the part so many."""

    bucket: int
    part: int
    inputs: Mapping[str, Input]

    def read(self) -> Tables:
        """Its rows by table, what others are held against first."""
        tables: dict[str, pa.Table] = {}
        for name, given in sorted(self.inputs.items(), key=lambda item: item[1].users_of is not None):
            others = tables[given.users_of] if given.users_of else None
            tables[name] = given.read(None if others is None else pc.unique(others[USER]), others)
        return tables


@dataclass(frozen=True)
class Work:
    """What a kernel is to go over: tables whose users are dealt into so many buckets."""

    inputs: Mapping[str, Input]
    buckets: int

    @property
    def units(self) -> list[Unit]:
        """In their order, those without rows among them."""
        return [
            Unit(bucket, part, {name: given.of_bucket(bucket, users) for name, given in self.inputs.items()})
            for bucket in range(self.buckets)
            for part, users in enumerate(self._shares(bucket))
        ]

    def _shares(self, bucket: int) -> list[UserRange] | list[None]:
        """The users of a bucket, so many at a time that a task can hold their rows."""
        rows = sum(given.of_bucket(bucket).rows for given in self.inputs.values())
        shares = math.ceil(rows / ROWS_OF_A_UNIT)
        return [UserRange(share, shares) for share in range(shares)] if shares > 1 else [None]

    @property
    def rows(self) -> int:
        return sum(given.rows for given in self.inputs.values())
