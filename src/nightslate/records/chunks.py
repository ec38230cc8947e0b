"""What reading a file gives, some records at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from nightslate.core.arrays import Ints

CHUNK_ROWS = 65_536
CHUNK_BYTES = 16 << 20


class UnusableFileError(Exception):
    """A file that can't be read at all; `reason` is the quarantine's."""

    def __init__(self, reason: str, clause: str) -> None:
        super().__init__(clause)
        self.reason, self.clause = reason, clause


def require_each_once(names: Sequence[str]) -> None:
    """Raise UnusableFileError if two columns share a name."""
    if len(set(names)) < len(names):
        raise UnusableFileError("schema_mismatch", "a column name stands twice in the file")


@dataclass(frozen=True)
class Wrong:
    """A way to be wrong: its reason in the quarantine, what is so, and the clause that it breaks; none where
    that is just the type of the column."""

    reason: str
    fault: str
    clause: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A record that is no row: its number in the file, from 1, what is wrong with it, and its bytes. These
    may hold a raw user id anywhere."""

    number: int
    wrong: Wrong
    content: bytes


@dataclass(frozen=True)
class Chunk:
    """Rows under the names of the file's columns, the number of each in the file, (n,), from 1, and the
    records between them that are no rows. Every record of a file is in one of its chunks, once; rows may be
    in another order than the file's."""

    rows: pa.Table
    numbers: Ints
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class Block:
    """Lines of a text file, and the chunk of the records that they are; record_of: (lines,) the number of the
    record that each is of, 0 of one that is of none."""

    text: bytes
    record_of: Ints
    chunk: Chunk
