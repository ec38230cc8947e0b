"""A table: read a pinned version, stage a day, verify it, publish it, go back, clean up."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from nightslate.contracts import Contract, arrow
from nightslate.errors import ContractError, DamageError, SpecError
from nightslate.tables import damage, verification
from nightslate.tables.commits import DayLog, Replacement
from nightslate.tables.creation import create_missing, opened, opened_for_change
from nightslate.tables.publishing import added, partition_values, placed
from nightslate.tables.snapshot import Commit, Snapshot
from nightslate.tables.staging import Attempt, Staged, day_folder, discard_up_to, newest_sealed

RETENTION_HOURS = 168
ROLLBACK = "rollback_to"
"""In the metadata of a commit that brought an older version back: which."""


@dataclass(frozen=True)
class Table:
    """One table of one program. Made by `Warehouse.table`; nothing exists until something is published.
    `issue`: the one whose rows it reads and writes, where each is a partition of its own; None: all."""

    name: str
    contract: Contract
    path: Path
    staging: Path
    issue: str | None = None

    def of_issue(self, issue: str) -> Table:
        """The rows of one issue, in a table that has a partition for each; any other table as it is."""
        return replace(self, issue=issue) if self.contract.by_issue else self

    def of_all_issues(self) -> Table:
        """The rows of every issue."""
        return replace(self, issue=None)

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The newest version, or a given one (-1: that before the first); later commits do not show in it.
        Raises SpecError where Delta's log does not go back to it."""
        newest = opened(self.path, self.contract) if version != -1 else None
        if newest is None or version in (None, newest.version()):
            return Snapshot(self.contract, self.path, newest, self.issue)
        try:
            table = DeltaTable(self.path, version=version)
        except DeltaError as error:
            raise SpecError(f"{self.path}: version {version} is not in Delta's log any more") from error
        return Snapshot(self.contract, self.path, table, self.issue)

    def rows(self, since: date | None = None, until: date | None = None) -> pa.Table:
        """The rows of the days from `since` to `until`, both included, as of now."""
        return self.snapshot().to_arrow(since, until)

    def begin(self, day: date) -> Attempt:
        """A fresh attempt at a day. It supersedes every attempt that began before it."""
        token = max(time.time_ns() // 1000, self._log(day).last_token() + 1)
        folder = self._staged(day) / f"{token}-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        return Attempt(self.contract, folder, day, token)

    def staged(self, day: date) -> Staged:
        """The day's newest sealed attempt. Raises ContractError where there is none."""
        staged = newest_sealed(self._staged(day))
        if staged is None:
            raise ContractError(f"{self.name} {day}: nothing is staged, run the step that writes it first")
        return staged

    def verify(self, staged: Staged) -> None:
        """Reads the staged files back. Raises ContractError that lists all that is wrong with them."""
        verification.verify(staged, self.contract)

    def publish(self, staged: Staged, metadata: Mapping[str, str]) -> int:
        """Makes the staged rows all of the day's rows, by one commit, and returns its version.

        Publishing again what is already committed changes nothing and returns the version that did it. Raises
        ContractError where the files do not verify, SupersededError where a newer attempt has committed,
        CommitConflictError where other commits kept coming first.
        """
        return self.publish_together([staged], metadata)

    def publish_together(self, attempts: Sequence[Staged], metadata: Mapping[str, str]) -> int:
        """As `publish`, of attempts at several issues of one day, by one commit."""
        log = self._log(attempts[0].day)
        versions = [log.of_issue(each.issue).committed(each.token, each.id) for each in attempts]
        left = [each for each, version in zip(attempts, versions, strict=True) if version is None]
        version = self._publish(left, metadata) if left else max(v for v in versions if v is not None)
        for each in attempts:
            discard_up_to(each)
        return version

    def is_published(self, staged: Staged) -> bool:
        """Whether this very attempt is committed. Raises SupersededError where another one has been since."""
        return self._log(staged.day).of_issue(staged.issue).committed(staged.token, staged.id) is not None

    def replace(self, day: date, rows: pa.Table, metadata: Mapping[str, str]) -> int:
        """Stages and publishes the rows of a day in one go: for what fits into memory."""
        attempt = self.begin(day)
        attempt.write(rows)
        return self.publish(attempt.seal(), metadata)

    def typed(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as the table's files hold them, of values by column; values of other columns are left out."""
        return pa.Table.from_pylist(list(rows), arrow.schema(self.contract, partition=False))

    def is_written(self, day: date) -> bool:
        """Whether the day was ever published; a declared-empty day was."""
        return self._log(day).last_token() > 0

    def history(self, day: date) -> list[Commit]:
        """The commits that replaced a day, the newest first."""
        return self._log(day).commits()

    def rollback(self, day: date, to_version: int) -> int:
        """Makes a day's rows those of an older version again, by a new commit, and returns its version.

        Attempts that began before the rollback can no longer commit. Raises SpecError for a version that does
        not exist and for a day that was never written, ContractError that names the files that vacuum has
        removed.
        """
        newest = self.snapshot()
        if not 0 <= to_version <= newest.version:
            raise SpecError(f"{self.name}: there is no version {to_version}, the newest is {newest.version}")
        if self.contract.by_issue and self.issue is None:
            raise SpecError(
                f"{self.name}: say which issue is to be rolled back, each has a history of its own"
            )
        if not self.is_written(day):
            raise SpecError(f"{self.name} {day} was never written: there is nothing to bring back")
        older = self.snapshot(to_version)
        then = older.files(day, day)
        if then == newest.files(day, day):
            return newest.version
        gone = [file.path.name for file in then if not file.path.exists()]
        if gone:
            raise ContractError(
                f"{self.name} {day}: version {to_version} cannot come back, vacuum removed {', '.join(gone)}"
            )
        log = self._log(day)
        files = [
            added(
                self.path,
                file.path.relative_to(self.path),
                partition_values(self.contract, day, file.issue),
                file.rows,
            )
            for file in then
        ]
        token = max(time.time_ns() // 1000, log.last_token() + 1)
        # What is said of the rows that come back holds for them still.
        metadata = {**older.metadata(day), ROLLBACK: str(to_version)}
        return log.commit(Replacement(files, token, f"{token}-{uuid.uuid4().hex}", metadata, self.issue))

    def vacuum(self, retention_hours: int = RETENTION_HOURS, dry_run: bool = False) -> list[str]:
        """Removes files that no version of the last `retention_hours` needs; returns their names.

        Raises SpecError under 168 hours: whoever still reads an older version would lose its files.
        """
        if retention_hours < RETENTION_HOURS:
            raise SpecError(
                f"{self.name}: {retention_hours} hours are too few, keep {RETENTION_HOURS} or more"
            )
        table = opened_for_change(self.path, self.contract)
        if table is None:
            return []
        with damage.named(self.path):
            return sorted(table.vacuum(retention_hours=retention_hours, dry_run=dry_run, full=True))

    def _publish(self, attempts: Sequence[Staged], metadata: Mapping[str, str]) -> int:
        log = self._log(attempts[0].day)
        replacements = []
        for staged in attempts:
            try:
                self.verify(staged)
                create_missing(self.path, self.contract)
                files = placed(staged, self.contract, self.path)
            except (ContractError, DamageError, FileNotFoundError):
                # Files vanish where another publisher has committed meanwhile: then that is the news.
                if log.of_issue(staged.issue).committed(staged.token, staged.id) is None:
                    raise
                files = []
            replacements.append(Replacement(files, staged.token, staged.id, metadata, staged.issue))
        return log.commit(*replacements)

    def _log(self, day: date) -> DayLog:
        return DayLog(self.name, self.contract, self.path, day, self.issue)

    def _staged(self, day: date) -> Path:
        return day_folder(self.staging, day, self.issue)
