"""The one way into a table: a commit that replaces a day, and that an older attempt can never win.

A commit is a compare-and-swap on the table's version: it is made against a fresh snapshot and without
delta-rs's own retries, so that any other commit in between makes it fail, and the loop starts again at the
fence. The fence is Delta's transaction identifier of (table, day): the token of the last attempt to commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deltalake import CommitProperties, Transaction
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
from nightslate.errors import CommitConflictError, SupersededError
from nightslate.tables import damage
from nightslate.tables.creation import opened, opened_or_created
from nightslate.tables.damage import NOTES
from nightslate.tables.snapshot import Commit, Snapshot

_TRIES = 40


@dataclass(frozen=True)
class Replacement:
    """What a commit does: `files` become all of a day's rows; no files make the day empty."""

    files: Sequence[AddAction]
    token: int
    attempt: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class DayLog:
    """The commits of one day of one table."""

    table: str
    contract: Contract
    path: Path
    day: date

    @property
    def fence(self) -> str:
        """The transaction identifier that holds the day's last token."""
        return f"{self.table}/{self.contract.partition}={self.day.isoformat()}"

    def last_token(self) -> int:
        """The token of the last attempt that committed; 0 where none has."""
        delta = opened(self.path, self.contract)
        return delta.transaction_version(self.fence) or 0 if delta else 0

    def commits(self) -> list[Commit]:
        """The day's commits, the newest first."""
        delta = opened(self.path, self.contract)
        return Snapshot(self.contract, self.path, delta.version()).commits(self.day) if delta else []

    def committed(self, token: int, attempt: str) -> int | None:
        """The version in which this very attempt was committed; None where it still may be.

        Raises SupersededError where another attempt has committed since.
        """
        last = self.last_token()
        if last < token:
            return None
        for commit in self.commits():
            if commit.attempt == attempt and last == token:
                return commit.version
        raise SupersededError(
            f"{self.fence}: a newer attempt (token {last}) has committed; attempt {attempt} was not used"
        )

    def commit(self, replacement: Replacement) -> int:
        """Replaces the day and returns the version that did.

        Raises SupersededError where a newer attempt has committed, CommitConflictError where other commits
        kept coming first.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            wait=wait_random_exponential(multiplier=0.02, max=1),
            stop=stop_after_attempt(_TRIES),
        )
        try:
            return retrying(self._try_to_commit, replacement)
        except RetryError as error:
            raise CommitConflictError(
                f"{self.fence}: other commits came first {_TRIES} times, run it again"
            ) from error

    def _try_to_commit(self, replacement: Replacement) -> int:
        delta = opened_or_created(self.path, self.contract)
        done = self.committed(replacement.token, replacement.attempt)
        if done is not None:
            return done
        version = delta.version() + 1
        with damage.named(self.path):
            delta.create_write_transaction(
                list(replacement.files),
                mode="overwrite",
                schema=delta.schema(),
                partition_by=[self.contract.partition],
                partition_filters=[(self.contract.partition, "=", self.day.isoformat())],
                commit_properties=CommitProperties(
                    custom_metadata={NOTES: self._notes(replacement, version)},
                    max_commit_retries=0,
                    app_transactions=[Transaction(self.fence, replacement.token)],
                ),
            )
        return version

    def _notes(self, replacement: Replacement, version: int) -> dict[str, object]:
        return {
            "version": version,
            "day": self.day.isoformat(),
            "attempt": replacement.attempt,
            "token": replacement.token,
            "metadata": dict(replacement.metadata),
        }
