"""One version of a table, read as often as one likes: later commits do not show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from nightslate.contracts import Contract, arrow
from nightslate.contracts.contract import ISSUE
from nightslate.tables import damage
from nightslate.tables.damage import notes_of
from nightslate.tables.files import may_have_any, rows_of_file


@dataclass(frozen=True)
class DataFile:
    """One file of a day; of one issue, where each issue of a day is a partition of its own."""

    path: Path
    day: date
    bucket: int
    rows: int
    size: int
    issue: str | None = None

    def partition(self, day_column: str) -> dict[str, date | str]:
        """What all of its rows have in common, by column."""
        return {day_column: self.day, **({ISSUE: self.issue} if self.issue is not None else {})}


@dataclass(frozen=True)
class Commit:
    """One replacement of one day; `metadata` is what the step that made it has to say."""

    version: int
    at: datetime
    attempt: str
    token: int
    metadata: dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """A table as of one version. `delta`: that version, opened; None where nobody has written the table yet.
    `issue`: the one whose rows and commits it shows; None: all there are."""

    contract: Contract
    path: Path
    delta: DeltaTable | None
    issue: str | None = None

    @property
    def version(self) -> int:
        """The version in Delta's log; -1 of a table that nobody has written yet."""
        return -1 if self.delta is None else self.delta.version()

    def files(self, since: date | None = None, until: date | None = None) -> list[DataFile]:
        """The files of the days from `since` to `until`, both included, by day, bucket and part.

        The order does not depend on what the files are called or when they were written.
        """
        return [
            file
            for file in self._files
            if (since is None or since <= file.day) and (until is None or file.day <= until)
        ]

    def days(self) -> list[date]:
        """The days that have rows, in order."""
        return sorted({file.day for file in self._files})

    def to_arrow(
        self, since: date | None = None, until: date | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows of the days from `since` to `until`, both included, in the order of `files`."""
        tables = [self.rows_of(file, columns) for file in self.files(since, until)]
        return pa.concat_tables([self._schema(columns).empty_table(), *tables])

    def may_have_any(self, column: str, since: date, until: date) -> bool:
        """Whether rows of the days from `since` to `until`, both included, may have a value in a column, by
        the footers of their files."""
        return any(may_have_any(file.path, column) for file in self.files(since, until))

    def rows_of(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one of the files."""
        return rows_of_file(file.path, self._schema(columns), file.partition(self.contract.partition))

    def metadata(self, day: date) -> dict[str, str]:
        """What the last commit of a day says about itself; empty where the day was never committed."""
        return next((commit.metadata for commit in self.commits(day)), {})

    def commits(self, day: date) -> list[Commit]:
        """The commits that replaced a day, the newest first, as far back as Delta keeps its log."""
        return [commit for committed, commit in self.all_commits if committed == day]

    def written(self) -> dict[date, Commit | None]:
        """The days that were ever written, declared-empty ones among them, and the last commit of each; None
        where Delta's log does not go back to it any more. One look at the log tells of all days."""
        return {**dict.fromkeys(self.days()), **dict(reversed(self.all_commits))}

    @cached_property
    def all_commits(self) -> list[tuple[date, Commit]]:
        """All commits that replaced a day, the newest first."""
        with damage.named(self.path):
            history = self.delta.history() if self.delta else []
        version = self.version
        notes = ((entry, note) for entry in history for note in notes_of(entry))
        # delta-rs lists the commits after this version too, and counts the versions it gives them down from
        # this one. So each commit carries its own version.
        return [
            (
                date.fromisoformat(note["day"]),
                Commit(
                    version=note["version"],
                    at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
                    attempt=note["attempt"],
                    token=note["token"],
                    metadata=note["metadata"],
                ),
            )
            for entry, note in notes
            if note["version"] <= version and self.issue in (None, note.get(ISSUE))
        ]

    @cached_property
    def _files(self) -> list[DataFile]:
        if self.delta is None:
            return []
        actions = pa.table(self.delta.get_add_actions(flatten=True))
        # Names start with bucket and part (see publishing.py), so the order of names is the order we want.
        files = [
            DataFile(
                path=self.path / action["path"],
                day=action[f"partition.{self.contract.partition}"],
                bucket=int(Path(action["path"]).name.partition("-")[0]),
                rows=action["num_records"],
                size=action["size_bytes"],
                issue=action[f"partition.{ISSUE}"] if self.contract.by_issue else None,
            )
            for action in sorted(actions.to_pylist(), key=lambda action: action["path"])
        ]
        return [file for file in files if self.issue in (None, file.issue)]

    def _schema(self, columns: Sequence[str] | None) -> pa.Schema:
        schema = arrow.schema(self.contract)
        return schema if columns is None else pa.schema([schema.field(name) for name in columns])
