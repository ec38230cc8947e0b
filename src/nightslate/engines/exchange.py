"""Rows that go from some tasks to others: each task writes one file, and keeps in mind where in it the rows
of each part are."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

Item = TypeVar("Item")
Part = tuple[str, int]
"""A name and a number."""

_INDEX = pa.schema(
    [
        ("name", pa.string()),
        ("number", pa.int64()),
        ("path", pa.string()),
        ("begin", pa.int64()),
        ("rows", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Piece:
    """Rows of a part, that some task wrote."""

    path: str
    begin: int
    rows: int

    def read(self) -> pa.Table:
        """Its rows, which stay in the file as long as nobody asks for them."""
        with pa.memory_map(self.path) as file:
            file.seek(self.begin)
            return pa.ipc.open_stream(file).read_all()


@dataclass(frozen=True)
class Rows:
    """All rows of a part, in the order of the tasks that wrote them."""

    pieces: Sequence[Piece]

    @property
    def count(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    def read(self, schema: pa.Schema) -> pa.Table:
        """schema: that of the rows, also where there are none."""
        return pa.concat_tables([schema.empty_table(), *(piece.read() for piece in self.pieces)])


@dataclass(frozen=True)
class PieceOf:
    """Rows that some task wrote, as those of a table of this name."""

    name: str
    piece: Piece

    def read(self) -> Mapping[str, pa.Table]:
        """By that name."""
        return {self.name: self.piece.read()}


@dataclass(frozen=True)
class Kept:
    """Rows that tasks wrote, to be gone over again and again: a share is what one of them wrote of a part."""

    units: Sequence[PieceOf]
    rows: int


@dataclass(frozen=True)
class Exchanged:
    """What tasks wrote, by part."""

    parts: Mapping[Part, Rows]

    @classmethod
    def of(cls, indices: Iterable[pa.Table]) -> Exchanged:
        """From what each task said, in the order of tasks."""
        pieces: dict[Part, list[Piece]] = {}
        for index in indices:
            for row in index.to_pylist():
                part = row["name"], row["number"]
                pieces.setdefault(part, []).append(Piece(row["path"], row["begin"], row["rows"]))
        return cls({part: Rows(found) for part, found in pieces.items()})

    def kept(self, name: str) -> Kept:
        """All parts of a name, in the order of their numbers."""
        mine = [rows for (of, _), rows in sorted(self.parts.items()) if of == name]
        units = [PieceOf(name, piece) for rows in mine for piece in rows.pieces]
        return Kept(units, sum(rows.count for rows in mine))

    def __getitem__(self, part: Part) -> Rows:
        return self.parts.get(part, Rows(()))


def spilled(split: Callable[[Item], Iterator[tuple[Part, pa.Table]]], folder: Path, item: Item) -> pa.Table:
    """What a task gives to others, in a file of the folder; returns where it is. Tables without rows are left
    out."""
    path, index = folder / uuid.uuid4().hex, []
    with pa.OSFile(str(path), "wb") as file:
        for (name, number), rows in split(item):
            if rows.num_rows:
                begin = file.tell()
                with pa.ipc.new_stream(file, rows.schema) as stream:
                    stream.write_table(rows)
                index.append((name, number, str(path), begin, rows.num_rows))
    columns = zip(*index, strict=True) if index else [[]] * len(_INDEX)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, _INDEX, strict=True)], schema=_INDEX
    )
