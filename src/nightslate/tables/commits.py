"""The one way into a table: a commit that replaces a day, or issues of it, and that an older attempt can
never win.

A commit is a compare-and-swap on the table's version: it is made against a fresh snapshot and without
delta-rs's own retries, so that any other commit in between makes it fail, and the loop starts again at the
fence. The fence is Delta's transaction identifier of (table, day, issue): the token of the last attempt to
commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from nightslate.contracts import Contract
from nightslate.contracts.contract import ISSUE
from nightslate.errors import CommitConflictError, SupersededError
from nightslate.tables import damage
from nightslate.tables.creation import opened, opened_for_change, opened_or_created
from nightslate.tables.damage import NOTES
from nightslate.tables.snapshot import Commit, Snapshot

_TRIES = 40


@dataclass(frozen=True)
class Replacement:
    """What a commit does: `files` become all rows of a day, or of one issue of it; no files make it empty."""

    files: Sequence[AddAction]
    token: int
    attempt: str
    metadata: Mapping[str, str]
    issue: str | None = None


@dataclass(frozen=True)
class DayLog:
    """The commits of one day of one table; of one issue, where each is a partition of its own."""

    table: str
    contract: Contract
    path: Path
    day: date
    issue: str | None = None

    @property
    def fence(self) -> str:
        """The transaction identifier that holds the day's last token."""
        of_issue = "" if self.issue is None else f"/{ISSUE}={self.issue}"
        return f"{self.table}/{self.contract.partition}={self.day.isoformat()}{of_issue}"

    def last_token(self) -> int:
        """The token of the last attempt that committed; 0 where none has."""
        return self._last_token(opened(self.path, self.contract))

    def commits(self) -> list[Commit]:
        """The day's commits, the newest first."""
        return self._commits(opened(self.path, self.contract))

    def committed(self, token: int, attempt: str) -> int | None:
        """The version in which this very attempt was committed; None where it still may be.

        Raises SupersededError where another attempt has committed since.
        """
        return self._committed(opened(self.path, self.contract), token, attempt)

    def commit(self, *replacements: Replacement) -> int:
        """Replaces the day, or these issues of it, by one commit and returns the version that did.

        Raises SupersededError where a newer attempt has committed, CommitConflictError where other commits
        kept coming first.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            wait=wait_random_exponential(multiplier=0.02, max=1),
            stop=stop_after_attempt(_TRIES),
        )
        try:
            return retrying(self._try_to_commit, replacements)
        except RetryError as error:
            raise CommitConflictError(
                f"{self.fence}: other commits came first {_TRIES} times, run it again"
            ) from error

    def commit_after(self, last: int, replacement: Replacement) -> int:
        """Replaces the day, or the issue of it, by what was made of the rows that it has had since the
        attempt of token `last`, and returns the version that did. The table stays as it is laid out.

        Raises CommitConflictError where others have replaced it since.
        """
        for _ in range(_TRIES):
            delta = opened_for_change(self.path, self.contract)
            if delta is None or self._last_token(delta) != last:
                break
            try:
                return self._write(delta, [replacement])
            except CommitFailedError:
                continue
        raise CommitConflictError(f"{self.fence}: others have replaced it meanwhile, run it again")

    def of_issue(self, issue: str | None) -> DayLog:
        """The commits of one issue of the day."""
        return replace(self, issue=issue)

    def _last_token(self, delta: DeltaTable | None) -> int:
        return delta.transaction_version(self.fence) or 0 if delta else 0

    def _commits(self, delta: DeltaTable | None) -> list[Commit]:
        return Snapshot(self.contract, self.path, delta, self.issue).commits(self.day)

    def _committed(self, delta: DeltaTable | None, token: int, attempt: str) -> int | None:
        last = self._last_token(delta)
        if last < token:
            return None
        for commit in self._commits(delta):
            if commit.attempt == attempt and last == token:
                return commit.version
        raise SupersededError(
            f"{self.fence}: a newer attempt (token {last}) has committed; attempt {attempt} was not used"
        )

    def _try_to_commit(self, replacements: Sequence[Replacement]) -> int:
        delta = opened_or_created(self.path, self.contract)
        done = [
            self.of_issue(each.issue)._committed(delta, each.token, each.attempt) for each in replacements
        ]
        if None not in done:
            return max(version for version in done if version is not None)
        left = [each for each, version in zip(replacements, done, strict=True) if version is None]
        return self._write(delta, left)

    def _write(self, delta: DeltaTable, left: Sequence[Replacement]) -> int:
        version = delta.version() + 1
        with damage.named(self.path):
            delta.create_write_transaction(
                [file for each in left for file in each.files],
                mode="overwrite",
                schema=delta.schema(),
                partition_by=list(self.contract.partitions),
                partition_filters=self._filters(left),
                commit_properties=CommitProperties(
                    custom_metadata={NOTES: [self._notes(each, version) for each in left]},
                    max_commit_retries=0,
                    app_transactions=[
                        Transaction(self.of_issue(each.issue).fence, each.token) for each in left
                    ],
                ),
            )
        return version

    def _filters(self, replacements: Sequence[Replacement]) -> list[tuple[str, str, str | list[str]]]:
        """Whose files go: all of the day, or those of the issues that are replaced."""
        of_day: list[tuple[str, str, str | list[str]]] = [
            (self.contract.partition, "=", self.day.isoformat())
        ]
        issues = [each.issue for each in replacements if each.issue is not None]
        return [*of_day, (ISSUE, "in", issues)] if self.contract.by_issue else of_day

    def _notes(self, replacement: Replacement, version: int) -> dict[str, object]:
        return {
            "version": version,
            "day": self.day.isoformat(),
            "attempt": replacement.attempt,
            "token": replacement.token,
            "metadata": dict(replacement.metadata),
            **({ISSUE: replacement.issue} if replacement.issue is not None else {}),
        }
