"""A day's files before they are published: an attempt is written, then sealed with a manifest."""

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nightslate.contracts import Contract, arrow
from nightslate.errors import ContractError, SupersededError
from nightslate.tables.snapshot import DataFile

_MANIFEST = "manifest.json"
_AUDITED = "_AUDITED"
_DATA = "data"
_ISSUE = "issue="
_ROWS_OF_A_GROUP = 32_768
"""Who reads some rows alone reads the groups that they are in."""

_ATTEMPT = re.compile(r"(\d{1,19})-[0-9a-f]{32}")
_BUCKET = re.compile(r"bucket=(\d{1,5})")


@dataclass(frozen=True)
class StagedFile:
    """One file as its writer left it; `path` is relative to the attempt's data folder."""

    path: str
    size: int
    rows: int

    @property
    def bucket(self) -> int:
        """The bucket that its folder names; 0 where the table has no buckets."""
        folder = _BUCKET.fullmatch(Path(self.path).parent.name)
        return int(folder[1]) if folder else 0


@dataclass(frozen=True)
class Staged:
    """A sealed attempt: what its writer says it wrote. Nothing here is believed before `verify`."""

    folder: Path
    day: date
    token: int
    files: tuple[StagedFile, ...]

    @property
    def issue(self) -> str | None:
        """The issue whose rows these are, where each is a partition of its own."""
        return issue_of(self.folder)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def data(self) -> Path:
        return self.folder / _DATA

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def data_files(self) -> list[DataFile]:
        """Where the rows are until they are published."""
        return [
            DataFile(self.data / file.path, self.day, file.bucket, file.rows, file.size, self.issue)
            for file in self.files
        ]

    @property
    def audited(self) -> bool:
        """Whether somebody has vouched for this attempt; `Table.publish` leaves it to its caller to ask."""
        return (self.folder / _AUDITED).exists()

    @property
    def overtakes_audited(self) -> bool:
        """Whether an older attempt was vouched for and waits to be published: two are under way."""
        return any(
            token_of(folder) < self.token and (folder / _AUDITED).exists() and (folder / _DATA).exists()
            for folder in attempts(self.folder.parent)
        )

    def mark_audited(self) -> None:
        """Vouches for what is staged here."""
        (self.folder / _AUDITED).touch()


@dataclass(frozen=True)
class Attempt:
    """One try at writing a day. Its token orders it among all tries: a later one supersedes it."""

    contract: Contract
    folder: Path
    day: date
    token: int

    @property
    def path(self) -> Path:
        """Where the data goes, one `bucket=K` folder a bucket."""
        return self.folder / _DATA

    def write(self, rows: pa.Table, bucket: int = 0, part: int = 0) -> StagedFile | None:
        """Writes rows as a file of a bucket, under a name of its own: whoever writes the same rows twice, as
        a task does that was taken for dead, says which file counts. Parts of a bucket are read in their
        order. A table without rows writes nothing, on purpose.

        Raises ContractError where the columns are not those of the contract's files.
        """
        folder = self.path / f"bucket={bucket}"
        folder.mkdir(parents=True, exist_ok=True)
        if not rows.num_rows:
            return None
        path = folder / f"{part:05d}-{uuid.uuid4().hex}.parquet"
        write_rows(rows, self.contract, self.day, path)
        return self._described(path)

    def seal(self, files: Sequence[StagedFile] | None = None) -> Staged:
        """Writes the manifest: from here on the attempt is complete, and can be picked up by another process.
        files: those that count, as their writers named them; all that are there, where one process wrote
        them.

        Raises ContractError where nothing was written at all (an empty day is written as an empty table),
        SupersededError where a newer attempt has committed meanwhile.
        """
        if not self.folder.is_dir():  # only `discard_up_to` takes it away
            raise SupersededError(f"{self.folder}: a newer attempt has committed; this one was cleared away")
        if not self.path.is_dir():
            raise ContractError(f"{self.path}: nothing was written; write an empty table for an empty day")
        written = [self._described(path) for path in self.path.rglob("*.parquet")] if files is None else files
        in_order = tuple(sorted(written, key=lambda file: (file.bucket, file.path)))
        text = json.dumps(
            {"day": self.day.isoformat(), "token": self.token, "files": [asdict(file) for file in in_order]},
            indent=1,
        )
        draft = self.folder / f".{_MANIFEST}"
        draft.write_text(text)
        draft.replace(self.folder / _MANIFEST)
        return Staged(self.folder, self.day, self.token, in_order)

    def _described(self, path: Path) -> StagedFile:
        rows = pq.read_metadata(path).num_rows
        return StagedFile(path.relative_to(self.path).as_posix(), path.stat().st_size, rows)


def write_rows(rows: pa.Table, contract: Contract, day: date, path: Path) -> None:
    """As a data file of a day of the contract's table. Raises ContractError where the columns are not those
    of its files."""
    schema = arrow.schema(contract, partition=False)
    try:
        fitted = rows.select(schema.names).cast(schema)
    except (KeyError, pa.ArrowInvalid, ValueError) as error:
        raise ContractError(f"{contract.name} {day}: {error}") from error
    pq.write_table(fitted, path, row_group_size=_ROWS_OF_A_GROUP, write_page_checksum=True)


def newest_sealed(folder: Path) -> Staged | None:
    """The sealed attempt of a day that began last."""
    sealed = [path for path in attempts(folder) if (path / _MANIFEST).exists()]
    return _read(max(sealed, key=token_of)) if sealed else None


def discard_up_to(staged: Staged) -> None:
    """Drops the day's older attempts, and this one's data.

    Its manifest stays: a publish that was killed after its commit is run again and finds that it is done.
    """
    for folder in attempts(staged.folder.parent):
        if token_of(folder) < staged.token:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(staged.data, ignore_errors=True)


def attempts(folder: Path) -> Iterator[Path]:
    """The folders of a day's attempts, in no order."""
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if _ATTEMPT.fullmatch(path.name))


def day_folder(staging: Path, day: date, issue: str | None) -> Path:
    """Where the attempts at a day are, or at one issue of it."""
    of_day = staging / day.isoformat()
    return of_day if issue is None else of_day / f"{_ISSUE}{issue}"


def staged_folders(staging: Path) -> Iterator[Path]:
    """The folders that attempts are in, by day and issue."""
    for of_day in sorted(staging.iterdir()) if staging.exists() else ():
        yield from (of_day, *sorted(of_day.glob(f"{_ISSUE}*")))


def issue_of(attempt: Path) -> str | None:
    """The issue that an attempt is at; None where it is at a whole day."""
    folder = attempt.parent.name
    return folder.removeprefix(_ISSUE) if folder.startswith(_ISSUE) else None


def token_of(folder: Path) -> int:
    match = _ATTEMPT.fullmatch(folder.name)
    if match is None:
        raise ContractError(f"{folder}: not the folder of an attempt")
    return int(match[1])


def _read(folder: Path) -> Staged:
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        files = tuple(StagedFile(**file) for file in manifest["files"])
        return Staged(folder, date.fromisoformat(manifest["day"]), manifest["token"], files)
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{folder / _MANIFEST}: not a manifest ({error}); stage the day again") from error
