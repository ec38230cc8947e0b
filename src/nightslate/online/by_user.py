"""Rows of a table that are looked up by user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import AnyArray, Ints
from nightslate.engines import Input, Work
from nightslate.kernels.buckets import buckets_of
from nightslate.tables.files import USER

_PSEUDONYM = "S32"


class ByUser:
    """They lie in files that the operating system maps into memory, and drops from it as it needs; no more
    than a unit of work is held at once, while they are made. The files have no names any more: they go with
    the process."""

    def __init__(
        self, given: Input, buckets: int, made: Callable[[pa.Table], pa.Table], folder: Path
    ) -> None:
        """All rows that there are by now. made: what is kept of rows; folder: where there is room for it."""
        self._buckets = buckets
        self._parts: list[list[_Part]] = [[] for _ in range(buckets)]
        folder.mkdir(parents=True, exist_ok=True)
        for unit in Work({"rows": given}, buckets).units:
            rows = made(unit.read()["rows"])
            if rows.num_rows:
                self._parts[unit.bucket].append(_Part.of(rows, folder))
        self._none = made(given.schema.empty_table())

    def of(self, user: pa.Table) -> pa.Table:
        """The rows of the user of this row."""
        pseudonym = user[USER][0].as_py()
        for part in self._parts[int(buckets_of(user, self._buckets)[0])]:
            found = part.of_user(pseudonym)
            if found.num_rows:
                return found
        return self._none


@dataclass(frozen=True)
class _Part:
    """Rows of some users, in the order of these; where the rows of each begin, and those of the last end."""

    users: AnyArray
    first: Ints
    rows: pa.Table

    @classmethod
    def of(cls, rows: pa.Table, folder: Path) -> _Part:
        """Mapped from files below the folder, which are named for as long as this takes."""
        rows, users, first = _together(rows)
        with TemporaryDirectory(dir=folder, prefix="served-") as named:
            table = f"{named}/rows.arrow"
            with pa.OSFile(table, "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows)
            for name, array in (("users", users), ("first", first)):
                np.save(f"{named}/{name}.npy", array)
            users, first = (np.load(f"{named}/{name}.npy", mmap_mode="r") for name in ("users", "first"))
            return cls(users, first, pa.ipc.open_file(pa.memory_map(table)).read_all())

    def of_user(self, pseudonym: str) -> pa.Table:
        """The rows of a user."""
        wanted = np.array(pseudonym, dtype=_PSEUDONYM)
        place = int(np.searchsorted(self.users, wanted))
        if place == len(self.users) or self.users[place] != wanted:
            return self.rows.slice(0, 0)
        return self.rows.slice(self.first[place], self.first[place + 1] - self.first[place])


def by_user(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each user of some rows, with theirs."""
    rows, users, first = _together(rows)
    for user, begin, end in zip(users.astype(np.str_).tolist(), first[:-1], first[1:], strict=True):
        yield user, rows.slice(begin, end - begin)


def _together(rows: pa.Table) -> tuple[pa.Table, AnyArray, Ints]:
    """The rows by user; the users in that order, which is theirs; where the rows of each begin, and those of
    the last end."""
    coded = rows[USER].combine_chunks().dictionary_encode()
    users, places = np.unique(np.array(coded.dictionary.to_pylist(), dtype=_PSEUDONYM), return_inverse=True)
    codes: Ints = places[np.asarray(coded.indices, dtype=np.int64)]
    first = np.append(0, np.cumsum(np.bincount(codes, minlength=len(users)))).astype(np.int64)
    return rows.take(pa.array(np.argsort(codes, kind="stable"))).combine_chunks(), users, first
