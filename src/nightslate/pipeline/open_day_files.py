"""Which landing files of a day that is not over are whole: all of a log with its marker, and of the others
those that nobody is still writing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nightslate.landing.batches import Batches
from nightslate.landing.log import Log
from nightslate.pipeline.night import Night
from nightslate.programs.logs import LANDED
from nightslate.records.chunks import UnusableFileError
from nightslate.records.sources import blocks, data_files, format_of

_RECENT_SECONDS, _SECONDS_BETWEEN_LOOKS = 60.0, 2.0

Stamp = tuple[int, int]
"""The size of a file, and when it was written."""


@dataclass(frozen=True)
class LandedSoFar:
    """`files`: those that are whole, by log; `stamps`: theirs, by path. `closed`: the logs with their marker.
    `waiting`: how many files somebody may be writing still."""

    files: Mapping[str, list[Path]]
    stamps: Mapping[str, Stamp]
    closed: frozenset[str]
    waiting: int

    @property
    def waiting_in_words(self) -> list[str]:
        """Nothing where no file waits."""
        return [f"{self.waiting} files wait until they are whole"] if self.waiting else []


def landed_so_far(night: Night, logs: Iterable[str]) -> LandedSoFar:
    """Of the day of the night. A file of a log without marker counts once two looks, two seconds apart where
    it is not a minute old, found the same size and time, and it ends as a whole one does; a file of a queue's
    messages, once its record is done."""
    folders = {log: night.warehouse.landing(night.name, log, night.ds) for log in logs}
    closed = frozenset(log for log, folder in folders.items() if (folder / LANDED).is_file())
    there = {log: data_files(folder) if folder.is_dir() else [] for log, folder in folders.items()}
    open_files = {file: log for log, of_log in there.items() if log not in closed for file in of_log}
    unfinished = {file for log in {*open_files.values()} for file in _unfinished(night, log, folders[log])}
    whole = _unchanged([file for file in open_files if file not in unfinished])
    files = {
        log: [file for file in of_log if log in closed or (file in whole and _is_whole(file))]
        for log, of_log in there.items()
    }
    stamps = {str(file): _stamp(file) for of_log in files.values() for file in of_log}
    return LandedSoFar(files, stamps, closed, sum(map(len, there.values())) - len(stamps))


def queue_is_past(night: Night, log: str) -> datetime | None:
    """The moment that the messages of every partition are past, of a log that is fed from a queue; the first
    of all moments while a partition has none. None of other logs."""
    _, last = Batches(Log(night.program, log, night.home).records).last()
    if last is None:
        return None
    stamps = [last.newest.get(partition, 0) for partition in last.next]
    return datetime.fromtimestamp(min(stamps, default=0) / 1000, UTC)


def _unfinished(night: Night, log: str, folder: Path) -> set[Path]:
    """The files that a queue's newest record names while it is not done; those of older ones are whole."""
    records = Batches(Log(night.program, log, night.home).records)
    number, last = records.last()
    if last is None or records.is_done(number):
        return set()
    return {folder / file.name for file in last.files if file.ds == night.ds and not file.late}


def _unchanged(files: list[Path]) -> set[Path]:
    """Those that two looks find alike."""
    first = {file: _stamp(file) for file in files}
    now = time.time_ns()
    if any(now - written < _RECENT_SECONDS * 1e9 for _, written in first.values()):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return {file for file, stamp in first.items() if stamp == _stamp(file)}


def _is_whole(file: Path) -> bool:
    """Whether a file ends as it should: Parquet with its footer, text with a line's end."""
    try:
        kind, compression = format_of(file)
        if kind == "parquet":
            pq.read_metadata(file)
            return True
        if compression is not None:
            last = deque(blocks(file, compression), maxlen=1)
            return not last or last[0].endswith(b"\n")
        with file.open("rb") as text:
            text.seek(max(0, file.stat().st_size - 1))
            return text.read() in (b"", b"\n")
    except (OSError, pa.ArrowInvalid, UnusableFileError):
        return False


def _stamp(file: Path) -> Stamp:
    found = file.stat() if file.exists() else None
    return (found.st_size, found.st_mtime_ns) if found else (-1, -1)
