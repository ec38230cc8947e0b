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
    `has_users`; of credits, which know impressions alone, all are read. `which`: rows that are kept."""

    files: Sequence[DataFile]
    schema: pa.Schema
    users_of: str | None = None
    day_after: str | None = None
    partition: str = "ds"
    issue: str | None = None
    users: UserRange | None = None
    has_users: bool = False
    which: Filter | None = None

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

    def columns(self, names: Sequence[str]) -> Input:
        """Some of the columns."""
        schema = pa.schema([self.schema.field(name) for name in names])
        return replace(self, schema=schema, has_users=self.has_users or USER in self.schema.names)

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
        return replace(self, files=files, users=users if with_users else None)

    def read(self, users: pa.Array | None, others: pa.Table | None = None) -> pa.Table:
        """The rows of the files, in order, of some users or of all; of users who have a row in a table of
        others on the day after, where that is asked for."""
        parts = [self.schema.empty_table()]
        for file in self.files:
            part = self._rows_of(file)
            if others is not None and self.day_after:
                of_day = others.filter(pc.field(self.day_after) == file.day + _ONE_DAY)
                part = part.filter(pc.is_in(part[USER], pc.unique(of_day[USER])))
            parts.append(part)
        rows = pa.concat_tables(parts)
        kept = rows if users is None else rows.filter(pc.is_in(rows[USER], users))
        return kept.unify_dictionaries()

    def _rows_of(self, file: DataFile) -> pa.Table:
        schema, by = self.schema, {ISSUE: self.issue, USER: self.users}
        looked_at = [name for name, wanted in by.items() if wanted is not None and name not in schema.names]
        schema = pa.schema([*schema, *(pa.field(name, pa.string()) for name in looked_at)])
        rows = rows_of_file(file.path, schema, file.partition(self.partition), self.users, self.which)
        if self.issue is not None:
            rows = rows.filter(pc.equal(rows[ISSUE], self.issue))
        return rows.select(self.schema.names)


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
