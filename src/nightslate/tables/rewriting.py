"""Takes rows out of files of a table that is there, whatever program wrote it, without running its nights."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nightslate.errors import CommitConflictError, ContractError
from nightslate.tables.commits import DayLog, Replacement
from nightslate.tables.publishing import added, link, partition_values
from nightslate.tables.snapshot import DataFile
from nightslate.tables.staging import write_rows
from nightslate.tables.table import Table

FORGOTTEN_BY, RETENTION = "nightslate.forgotten", "nightslate.retention"
"""In the metadata of a commit that took rows out of a day: the request of a user that asked for it; and how
long the program keeps days, where it was the whole day."""
TAKEN_OUT = (FORGOTTEN_BY, RETENTION)


def replace_files(table: Table, day: date, left: Mapping[Path, pa.Table], said: Mapping[str, str]) -> int:
    """Makes these the rows of some files of a day, or of one issue of it, by one commit, and returns its
    version. Other files stay as they are, under other names: a commit can't take a name away and give it
    again. What the night said about the day stays too. Attempts at the day that began before can no longer
    commit.

    left: the rows by file of the newest version; a file of which none are left goes. Raises
    CommitConflictError where others have replaced the day meanwhile, before or after its files were read.
    """
    log = DayLog(table.name, table.contract, table.path, day, table.issue)
    last, snapshot = log.last_token(), table.snapshot()
    values = partition_values(table.contract, day, table.issue)
    files = snapshot.files(day, day)
    if not left.keys() <= {file.path for file in files}:
        raise CommitConflictError(f"{log.fence}: others have replaced it meanwhile, run it again")
    actions = []
    for file in files:
        path, rows = _renamed(file), left[file.path].num_rows if file.path in left else file.rows
        if file.path not in left:
            link(file.path, path)
        elif rows:
            _write(left[file.path], table, day, path)
        if rows:
            actions.append(added(table.path, path.relative_to(table.path), values, rows))
    token = max(time.time_ns() // 1000, last + 1)
    metadata = {**snapshot.metadata(day), **said}
    return log.commit_after(
        last, Replacement(actions, token, f"{token}-{uuid.uuid4().hex}", metadata, table.issue)
    )


def unnamed_files(table: Table) -> Iterator[Path]:
    """The data files in the folder that the newest version does not name: those of older versions, and
    orphans."""
    named = {file.path for file in table.of_all_issues().snapshot().files()}
    yield from (path for path in sorted(table.path.rglob("*.parquet")) if path not in named)


def _renamed(file: DataFile) -> Path:
    """A new name, which sorts where the old one does."""
    bucket, part, _ = file.path.name.split("-", 2)
    return file.path.with_name(f"{bucket}-{part}-{uuid.uuid4().hex}.parquet")


def _write(rows: pa.Table, table: Table, day: date, path: Path) -> None:
    """A file that nobody sees before a commit names it."""
    write_rows(rows, table.contract, day, path)
    found = pq.read_metadata(path).num_rows
    if found != rows.num_rows:
        raise ContractError(f"{path} holds {found} rows, not the {rows.num_rows} that it was to have")
