"""Units of work: the files of a bucket of users, of each table that a kernel reads.

A bucket's files are written sorted and one a day, so a kernel sees the same rows in the same order on every
engine and however a cluster looks: what it sums is equal to the last bit from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.tables import DataFile
from nightslate.tables.files import rows_of_file

Tables = Mapping[str, pa.Table]
"""The rows of one unit, by table."""


@dataclass(frozen=True)
class Input:
    """What is read of one table: which files, which columns, and their schema if there is no file.
    `users_of`: the table whose users alone are kept; rows of others are dropped as they are read.
    `partition`: the column that is the day of a file."""

    files: Sequence[DataFile]
    schema: pa.Schema
    users_of: str | None = None
    partition: str = "ds"

    def of_users_in(self, table: str) -> Input:
        """The rows of users that another input has too."""
        return replace(self, users_of=table)

    def columns(self, names: Sequence[str]) -> Input:
        """Some of the columns."""
        return replace(self, schema=pa.schema([self.schema.field(name) for name in names]))

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def of(self, bucket: int) -> Input:
        """What lies in one bucket."""
        return replace(self, files=tuple(file for file in self.files if file.bucket == bucket))

    def read(self, users: pa.Array | None) -> pa.Table:
        """The rows of the files, in order, of some users or of all."""
        parts = [self.schema.empty_table()]
        for file in self.files:
            part = rows_of_file(file.path, file.day, self.schema, self.partition)
            parts.append(part if users is None else part.filter(pc.is_in(part["user_id"], users)))
        return pa.concat_tables(parts)


@dataclass(frozen=True)
class Unit:
    """One share of the work."""

    bucket: int
    inputs: Mapping[str, Input]

    def read(self) -> Tables:
        """Its rows by table, what others are held against first."""
        tables: dict[str, pa.Table] = {}
        for name, given in sorted(self.inputs.items(), key=lambda item: item[1].users_of is not None):
            users = pc.unique(tables[given.users_of]["user_id"]) if given.users_of else None
            tables[name] = given.read(users)
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
            Unit(bucket, {name: given.of(bucket) for name, given in self.inputs.items()})
            for bucket in range(self.buckets)
        ]

    @property
    def rows(self) -> int:
        return sum(given.rows for given in self.inputs.values())
