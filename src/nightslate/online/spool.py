"""What was taken in and decided, on disk before anybody is answered, and from there into landing files.

A record is a line of a segment. A segment is written by one process from its beginning to its end, and then
becomes landing files: the file of a log's day is a function of the segment and is named after it, so whoever
was killed at it does it again and changes nothing. A segment whose files are all there is removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from nightslate.errors import DamageError, UnavailableError
from nightslate.landing.locks import locked
from nightslate.landing.objects import put_settled

Rows = Mapping[tuple[str, date], Sequence[Mapping[str, Any]]]
"""Of landing files: by log and day."""

SERVED = "served-"
"""What the names of the landing files begin with."""

_SEGMENT, _BYTES = ".jsonl", 64 << 20


class Spool:
    """Of one program. landing: the folder of its logs. Raises CommitConflictError where another process has
    it open."""

    def __init__(self, landing: Path) -> None:
        self.landing, self.folder = landing, landing / "_served"
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        path = self.folder / "lock"
        self._lock = locked(
            path,
            f"another process serves this program: it holds {path}. It closes days by itself; stop it first",
        )
        self._segment: _Segment | None = None
        self._open = self.folder / "open"

    def land_all(self) -> None:
        """Lands all records, those too that a process left which was killed. Raises DamageError for a segment
        that can't be read."""
        self._end_segment()
        for path in sorted(self.folder.glob(f"*{_SEGMENT}")):
            self._land(path)

    def append(self, at: datetime, rows: Rows) -> None:
        """A record; it is on disk once this returns. Raises UnavailableError where it can't be written, and
        then nothing of it is kept."""
        try:
            if self._segment is None:
                self._segment = _Segment(self.folder / f"{at:%Y%m%dT%H%M%S}-{uuid4().hex[:12]}{_SEGMENT}")
            self._segment.append(_line(rows))
        except OSError as error:
            self._end_segment()
            raise UnavailableError(
                f"{self.folder} can't be written: {error.strerror}. Nothing of the request was taken in"
            ) from error
        if self._segment.size >= _BYTES:
            self.land_all()

    def open_day(self, ds: date) -> None:
        """Notes that a day is served, and that it is to be closed."""
        put_settled(self._open / ds.isoformat(), b"")

    def open_days(self) -> list[date]:
        """The days that are served and not closed yet."""
        return (
            sorted(date.fromisoformat(path.name) for path in self._open.glob("*"))
            if self._open.exists()
            else []
        )

    def forget_day(self, ds: date) -> None:
        """Notes that a day is closed."""
        (self._open / ds.isoformat()).unlink(missing_ok=True)

    def close(self) -> None:
        """Lands all records, and lets another process open the spool."""
        self.land_all()
        self._lock.close()

    def landed(self, log: str, ds: date) -> Iterator[Path]:
        """The files of a log's day that it has landed."""
        yield from sorted((self.landing / log / f"ds={ds}").glob(f"{SERVED}*{_SEGMENT}"))

    def rows(self, log: str, ds: date) -> Iterator[dict[str, Any]]:
        """The rows of these files."""
        for path in self.landed(log, ds):
            yield from map(json.loads, path.read_bytes().splitlines())

    def forget(self, log: str, before: date) -> None:
        """Removes the files of a log's days before this one."""
        for folder in (self.landing / log).glob("ds=*"):
            if date.fromisoformat(folder.name.removeprefix("ds=")) < before:
                shutil.rmtree(folder)

    def _end_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _land(self, segment: Path) -> None:
        texts: dict[tuple[str, str], list[str]] = {}
        for record in _records(segment):
            for log, ds, rows in record["rows"]:
                texts.setdefault((log, ds), []).extend(f"{json.dumps(row)}\n" for row in rows)
        for (log, ds), lines in texts.items():
            put_settled(self.landing / log / f"ds={ds}" / f"{SERVED}{segment.name}", "".join(lines).encode())
        segment.unlink()


class _Segment:
    """A file that records are appended to."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def append(self, line: bytes) -> None:
        """Raises OSError where the line is not on disk, and then the file does not hold it."""
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(line)

    def close(self) -> None:
        os.close(self._file)


def _line(rows: Rows) -> bytes:
    record = {"rows": [[log, ds.isoformat(), list(found)] for (log, ds), found in rows.items()]}
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def _records(segment: Path) -> Iterator[dict[str, Any]]:
    """The records of a segment; one whose writing was cut short is none, for nobody was answered. Raises
    DamageError where another is no record."""
    *lines, _ = segment.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise DamageError(
                f"{segment}, line {number}, is no record of served decisions: bring the file back from a"
                " backup, or remove the line, and with it what it held"
            ) from error
