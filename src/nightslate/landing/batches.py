"""What has been landed of a topic: one record a micro-batch, numbered from 1 without a gap.

A record is put before the files that it names are written, and says all about them: a file that nobody
finished is known, and anybody who reads the topic can finish it. So no file ever lies in landing that no
record names. A number is put once: of two processes that go on from one record, one is refused, and has
written nothing."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from nightslate.errors import CommitConflictError, DamageError
from nightslate.landing.objects import put_if_absent, put_settled
from nightslate.programs.strict import Strict

_MOST = 1 << 40


class LandedFile(Strict):
    """Messages of one partition and one day, as one file. `late`: it waits beside the day, which had its
    marker."""

    name: str
    ds: date
    late: bool
    partition: int
    first: int
    last: int
    messages: int
    sha256: str

    def is_whole(self, folder: Path) -> bool:
        """Whether it lies in the folder as it was meant."""
        file = folder / self.name
        return file.is_file() and self.is_text(file.read_bytes())

    def is_text(self, text: bytes) -> bool:
        """Whether this is what is in it."""
        return hashlib.sha256(text).hexdigest() == self.sha256


class Batch(Strict):
    """next: of each partition, the first offset that is not landed. newest: of each, the time of its newest
    message in milliseconds since 1970. open: the days that have files and no marker yet. closes, reopens:
    days whose marker this record puts, and the one that it puts again with what waited beside it. skips: the
    offsets [from, to) of partitions that somebody declared lost."""

    topic: str
    topic_id: str
    at: datetime
    next: dict[int, int]
    newest: dict[int, int]
    open: tuple[date, ...]
    files: tuple[LandedFile, ...] = ()
    closes: tuple[date, ...] = ()
    reopens: date | None = None
    skips: dict[int, tuple[int, int]] = Field(default_factory=dict)

    @classmethod
    def before_the_first(cls, topic: str) -> Batch:
        """What stands before any record: nothing has landed."""
        return cls(topic=topic, topic_id="", at=datetime.fromtimestamp(0, UTC), next={}, newest={}, open=())

    def of_topic(self, topic_id: str) -> Batch:
        """The same, of a topic whose id is known by now."""
        return self.model_copy(update={"topic_id": topic_id})

    def followed_by(self, **changes: Any) -> Batch:
        """The record after this one: what it does not say anew of the topic stays as it is."""
        kept = {"topic": self.topic, "topic_id": self.topic_id, "newest": self.newest}
        days = {*self.open, *(file.ds for file in changes.get("files", ()) if not file.late)}
        left = tuple(sorted(days - {*changes.get("closes", ())}))
        return Batch(**{**kept, "open": left, **changes})


class Batches:
    """The records of a log, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def last(self) -> tuple[int, Batch | None]:
        """The newest record and its number; 0 and None before the first. Raises DamageError for one that
        can't be read."""
        number = bisect_left(range(1, _MOST), True, key=lambda n: not self._record(n).is_file())
        if not number:
            return 0, None
        record = self._record(number)
        try:
            return number, Batch.model_validate_json(record.read_bytes())
        except ValidationError as error:
            raise DamageError(
                f"{record} is no record of landed messages: {error}. Bring it back from a backup: without it"
                " nobody knows which messages have landed"
            ) from error

    def put(self, number: int, batch: Batch) -> None:
        """Raises CommitConflictError where another process has put this number."""
        if not put_if_absent(self._record(number), batch.model_dump_json(indent=1).encode()):
            raise CommitConflictError(
                f"another process lands into this log: it has put {self._record(number)}. Nothing was"
                " written; run one at a time"
            )

    def is_done(self, number: int) -> bool:
        """Whether all that a record says lies where it should."""
        return self._done(number).is_file()

    def mark_done(self, number: int) -> None:
        put_settled(self._done(number), b"")

    def _record(self, number: int) -> Path:
        return self.folder / f"{number:012d}.json"

    def _done(self, number: int) -> Path:
        return self.folder / f"{number:012d}.done"
