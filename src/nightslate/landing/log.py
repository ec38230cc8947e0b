"""Where a log lands that is fed from a queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nightslate.contracts import load
from nightslate.errors import SpecError
from nightslate.landing.batches import LandedFile
from nightslate.landing.messages import EVENT_TIME
from nightslate.landing.objects import put_settled
from nightslate.programs import Program
from nightslate.programs.logs import LANDED
from nightslate.records.sources import data_files
from nightslate.tables import Warehouse


@dataclass(frozen=True)
class Log:
    """A landing log of a program. Beside its days, and read by no night: `_kafka`, the records of what has
    landed, and `_late`, messages of days that had their marker."""

    program: Program
    name: str
    home: Path

    def __post_init__(self) -> None:
        if self.name not in self.program.logs.names:
            raise SpecError(
                f"--log is one of {', '.join(self.program.logs.names)} in {self.program.program}; got"
                f" {self.name!r}"
            )

    def __str__(self) -> str:
        return f"{self.name} of {self.program.program}"

    @property
    def by_event(self) -> bool:
        """Whether rows say when something happened."""
        return any(column.name == EVENT_TIME for column in load(self.name).landing_columns)

    @property
    def records(self) -> Path:
        return self._folder / "_kafka"

    def day(self, ds: date) -> Path:
        return Warehouse(self.home).landing(self.program.program, self.name, ds)

    def late(self, ds: date) -> Path:
        return self._folder / "_late" / f"ds={ds}"

    def folder(self, file: LandedFile) -> Path:
        """Of a file of a batch."""
        return self.late(file.ds) if file.late else self.day(file.ds)

    def is_closed(self, ds: date) -> bool:
        return (self.day(ds) / LANDED).is_file()

    def close(self, ds: date) -> None:
        """Put the marker of a day whose files are all whole."""
        put_settled(self.day(ds) / LANDED, b"")

    def reopen(self, ds: date) -> None:
        """Put what waits beside a day into it. It has no marker meanwhile, so no night reads half of it."""
        waiting = {file: file.read_bytes() for file in self._waiting(ds)}
        if waiting:
            (self.day(ds) / LANDED).unlink(missing_ok=True)
        for file, content in waiting.items():
            put_settled(self.day(ds) / file.name, content)
        self.close(ds)
        for file in waiting:
            file.unlink(missing_ok=True)

    def waiting(self) -> dict[date, int]:
        """How many files wait beside each day."""
        folders = sorted((self._folder / "_late").glob("ds=*"))
        counts = {date.fromisoformat(folder.name[3:]): len(data_files(folder)) for folder in folders}
        return {ds: files for ds, files in counts.items() if files}

    def make_folder(self) -> None:
        """That of the program, closed to other accounts: raw user ids land here."""
        self._folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)

    @property
    def _folder(self) -> Path:
        return Warehouse(self.home).landing_log(self.program.program, self.name)

    def _waiting(self, ds: date) -> list[Path]:
        return data_files(self.late(ds)) if self.late(ds).is_dir() else []
