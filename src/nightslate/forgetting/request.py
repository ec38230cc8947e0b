"""A request to forget a user, on disk until all is done: whoever was killed at it goes on with the same one.

Its file is named by the tag of the user. From its beginning on, ingest drops what lands of the user; once it
is done the file is empty, and stays for that alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

from nightslate.landing.locks import locked


@dataclass
class Request:
    """file: where it is kept. id: random, and nothing that follows from the user. counts: of each place, what
    was found there by day."""

    file: Path
    id: str
    begun_at: datetime
    counts: dict[str, dict[date, int]] = field(default_factory=dict)

    def note(self, place: str, day: date, found: int) -> None:
        """That so much is of the user, before it is taken out. What was found before and is gone was as
        much."""
        of_place = self.counts.setdefault(place, {})
        of_place[day] = max(of_place.get(day, 0), found)

    def save(self) -> None:
        """Put what is noted on disk."""
        content = {
            "id": self.id,
            "begun_at": self.begun_at.isoformat(),
            "counts": {
                place: {day.isoformat(): found for day, found in sorted(of_place.items())}
                for place, of_place in sorted(self.counts.items())
            },
        }
        _put(self.file, json.dumps(content, indent=1).encode())

    def finish(self) -> None:
        """What is left of it says no more than that the user is forgotten."""
        _put(self.file, b"")

    def days(self, place: str) -> list[date]:
        """Those of which anything was found in a place."""
        return sorted(day for day, found in self.counts.get(place, {}).items() if found)


@contextmanager
def begun(folder: Path, tag: str) -> Iterator[Request]:
    """The request about the user of a tag that was begun before and is not done, else a new one. Raises
    CommitConflictError where another process forgets somebody in this program."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = folder / "lock"
    with locked(lock, f"another process forgets a user of this program: it holds {lock}. Run it again later"):
        file = folder / tag
        content = file.read_bytes() if file.is_file() else b""
        request = _read(file, content) if content else Request(file, uuid4().hex, datetime.now(UTC))
        request.save()
        yield request


def _read(file: Path, content: bytes) -> Request:
    said = json.loads(content)
    counts = {
        place: {date.fromisoformat(day): int(found) for day, found in of_place.items()}
        for place, of_place in said["counts"].items()
    }
    return Request(file, said["id"], datetime.fromisoformat(said["begun_at"]), counts)


def _put(file: Path, content: bytes) -> None:
    """Whole or not at all, and on disk once this returns."""
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
