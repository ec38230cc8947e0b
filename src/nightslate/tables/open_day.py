"""A table with the rows of a day that is not over: those of the days before are the nights', and its own lie
in a place of their own, where no night reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from nightslate.tables.snapshot import Commit, DataFile, Snapshot
from nightslate.tables.table import Table


@dataclass(frozen=True)
class OpenDaySnapshot(Snapshot):
    """One version of each. `own`: of the open day's; `closed`: of the nights' table, of which the days before
    `day` show."""

    own: Snapshot = field(kw_only=True)
    closed: Snapshot = field(kw_only=True)
    day: date = field(kw_only=True)

    @cached_property
    def all_commits(self) -> list[tuple[date, Commit]]:
        own = [(day, commit) for day, commit in self.own.all_commits if day == self.day]
        return own + [(day, commit) for day, commit in self.closed.all_commits if day < self.day]

    @cached_property
    def _files(self) -> list[DataFile]:
        before = [file for file in self.closed._files if file.day < self.day]
        return before + [file for file in self.own._files if file.day == self.day]


@dataclass(frozen=True)
class OpenDayTable(Table):
    """`closed`: the nights' table; nothing is ever written to it from here."""

    closed: Table = field(kw_only=True)
    day: date = field(kw_only=True)

    def of_issue(self, issue: str) -> OpenDayTable:
        """The rows of one issue, in a table that has a partition for each; any other table as it is."""
        return (
            replace(self, issue=issue, closed=self.closed.of_issue(issue)) if self.contract.by_issue else self
        )

    def snapshot(self, version: int | None = None) -> OpenDaySnapshot:
        """The newest version of both, or a given one of the open day's."""
        own = super().snapshot(version)
        closed = self.closed.snapshot()
        return OpenDaySnapshot(
            own.contract, own.path, own.delta, own.issue, own=own, closed=closed, day=self.day
        )


def with_open_day(closed: Table, own: Table, day: date) -> OpenDayTable:
    """`closed` with the rows that `own` has of the day."""
    return OpenDayTable(own.name, own.contract, own.path, own.staging, closed.issue, closed=closed, day=day)
