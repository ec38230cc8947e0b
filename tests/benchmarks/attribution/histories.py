"""Simulated impressions and outcomes, as many as one likes: as a file each, in the order of time as logs
come, and the same rows as ingest lays out its tables, in files by day and bucket, each user's together.

Every value is a hash of its row's number: any part can be made for itself, the same on every machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.engines import Input
from nightslate.kernels.attribution import IMPRESSION_COLUMNS, OUTCOME_COLUMNS
from nightslate.tables import DataFile

CACHE = Path(__file__).parents[3] / ".cache" / "bench"
FIRST_DAY, DAYS, ARMS = date(2026, 1, 1), 14, 50

_DAY_US = 86_400_000_000
_START = int(np.datetime64(FIRST_DAY, "us").astype(np.int64))
_FOUR_DIGITS = np.array([f"{number:04x}".encode() for number in range(1 << 16)]).view(np.uint32)
_MADE_AT_ONCE = 1 << 20
_IN_TABLES = {"impressions": IMPRESSION_COLUMNS, "outcomes": OUTCOME_COLUMNS}


@dataclass(frozen=True)
class Histories:
    """So many impressions of 14 days; as many users as a tenth of them, and outcomes as a twentieth. Outcomes
    are of any user at any time, so some have nothing before them."""

    impressions: int

    @property
    def users(self) -> int:
        return self.impressions // 10

    @property
    def outcomes(self) -> int:
        return self.impressions // 20

    def files(self) -> tuple[Path, Path]:
        """A Parquet file of the impressions and one of the outcomes, made once."""
        folder = CACHE / f"attribution-{self.impressions}-files"
        with _made_once(folder) as missing:
            for log in self._logs if missing else ():
                with pq.ParquetWriter(folder / f"{log.name}.parquet", log.rows_of_file(0, 0).schema) as file:
                    for begin in range(0, log.rows, _MADE_AT_ONCE):
                        file.write_table(log.rows_of_file(begin, min(begin + _MADE_AT_ONCE, log.rows)))
        return folder / "impressions.parquet", folder / "outcomes.parquet"

    def tables(self, buckets: int) -> dict[str, Input]:
        """The tables as the step that attributes reads them, made once."""
        folder = CACHE / f"attribution-{self.impressions}-{buckets}-buckets"
        with _made_once(folder) as missing:
            for log in self._logs if missing else ():
                for day in range(DAYS):
                    of_day = folder / log.name / f"{FIRST_DAY + timedelta(days=day)}"
                    of_day.mkdir(parents=True)
                    for bucket, rows in log.rows_of_day(day, buckets):
                        pq.write_table(rows, of_day / f"{bucket}.parquet")
        return {log.name: log.input(folder / log.name) for log in self._logs}

    def remove(self) -> None:
        """Take all of it off the disk."""
        for folder in CACHE.glob(f"attribution-{self.impressions}-*"):
            shutil.rmtree(folder)

    @property
    def _logs(self) -> tuple[_Log, _Log]:
        return (
            _Log("impressions", self.impressions, self.users),
            _Log("outcomes", self.outcomes, self.users),
        )


@dataclass(frozen=True)
class _Log:
    """A log of so many rows, which are in the order of time, of so many users."""

    name: str
    rows: int
    users: int

    def rows_of_file(self, begin: int, end: int) -> pa.Table:
        """The rows of these numbers."""
        return self._made(np.arange(begin, end))

    def rows_of_day(self, day: int, buckets: int) -> Iterator[tuple[int, pa.Table]]:
        """The rows of a day by bucket, those of a user together."""
        rows = np.arange(*self._day_begins[day : day + 2])
        user = _hashed("user", self._user(rows))
        bucket = (user >> np.uint64(32)) % np.uint64(buckets)
        for number in range(buckets):
            mine = np.flatnonzero(bucket == number)
            made = self._made(rows[mine[np.argsort(user[mine], kind="stable")]])
            in_slots = made.append_column("slot", pa.repeat(pa.scalar(1, pa.int32()), len(made)))
            yield (
                number,
                pa.concat_tables([self._schema.empty_table(), in_slots], promote_options="default").select(
                    self._schema.names
                ),
            )

    def input(self, folder: Path) -> Input:
        """The files of a folder, with the types of the table."""
        return Input([_described(path) for path in sorted(folder.rglob("*.parquet"))], self._schema)

    @property
    def _schema(self) -> pa.Schema:
        """Of the columns of the table that attribution reads."""
        schema = arrow.schema(load(self.name))
        return pa.schema([schema.field(name) for name in _IN_TABLES[self.name]])

    def _made(self, rows: Ints) -> pa.Table:
        ids, user = self._keys("id", rows), self._user(rows)
        made = {
            f"{self.name[:-1]}_id": hex_texts(ids),
            "user_id": hex_texts(_hashed("user", user), _hashed("rest of user", user)),
            "occurred_at": pa.array(self._time(rows)).cast(pa.timestamp("us", "UTC")),
        }
        if self.name == "impressions":
            arms = pa.array([f"arm-{arm:02d}" for arm in range(ARMS)])
            return pa.table({**made, "arm_id": arms.take(pa.array(ids % np.uint64(ARMS)))})
        return pa.table({**made, "kind": pa.repeat("task", rows.size), "value": np.ones(rows.size)})

    def _user(self, rows: Ints) -> Ints:
        return (self._keys("who", rows) % np.uint64(self.users)).astype(np.int64)

    def _time(self, rows: Ints) -> Ints:
        begins = self._day_begins
        day = np.searchsorted(begins, rows, side="right") - 1
        share = (rows - begins[day] + uniform(self._keys("when", rows))) / np.diff(begins)[day]
        return _START + day * _DAY_US + (share * _DAY_US).astype(np.int64)

    @property
    def _day_begins(self) -> Ints:
        return self.rows * np.arange(DAYS + 1) // DAYS

    def _keys(self, what: str, rows: Ints) -> Keys:
        return _hashed(f"{self.name} {what}", rows)


@contextmanager
def _made_once(folder: Path) -> Iterator[bool]:
    """Whether the folder, which is then there and empty, has to be filled."""
    complete = folder / "complete"
    if missing := not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    yield missing
    complete.touch()


def _hashed(what: str, numbers: Ints) -> Keys:
    return mix(numbers.astype(np.uint64), seed("histories", what))


def hex_texts(*keys: Keys) -> pa.Array:
    """(n,) 16 hex digits for each key of a row, one after the other."""
    words = np.column_stack(keys).astype(">u8").view(">u2")
    offsets = np.arange(len(words) + 1, dtype=np.int32) * (4 * words.shape[1])
    return pa.StringArray.from_buffers(len(words), pa.py_buffer(offsets), pa.py_buffer(_FOUR_DIGITS[words]))


def _described(path: Path) -> DataFile:
    day = date.fromisoformat(path.parent.name)
    return DataFile(path, day, int(path.stem), pq.read_metadata(path).num_rows, path.stat().st_size)
