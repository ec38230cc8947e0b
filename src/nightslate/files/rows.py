"""The rows of a file, or of a folder of part files, as the commands that take files need them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Ints
from nightslate.errors import ContractError
from nightslate.records.chunks import Chunk, Unreadable, UnusableFileError, Wrong
from nightslate.records.faults import as_they_came
from nightslate.records.pointed import pointed_columns
from nightslate.records.reading import read as read_records
from nightslate.records.sources import COMPRESSIONS, FORMATS, data_files, format_of
from nightslate.records.values import Values

Files = tuple[tuple[Path, int], ...]
"""Files in their order, and how many records are before each."""


def pointed_notes(path: Path, names: Iterable[str]) -> list[str]:
    """What there is to say of columns of ids of a file that are whole numbers written like 7.0."""
    return [f"{name} of {path} is whole numbers, some written like 7.0: 7.0 is read as 7" for name in names]


def where(files: Files, number: int) -> tuple[Path, int]:
    """The file of a record, and its number there."""
    file, before = [found for found in files if found[1] < number][-1]
    return file, number - before


@dataclass(frozen=True)
class Rows:
    """Records of a file or folder in chunks. pointed: the
    columns of ids
    that are whole numbers written like 7.0; None: as the rows here are."""

    path: Path
    chunks: tuple[Chunk, ...]
    files: Files
    pointed: frozenset[str] | None = None

    @cached_property
    def names(self) -> list[str]:
        """Their columns; a row of JSON lines need not have each."""
        return list(dict.fromkeys(name for chunk in self.chunks for name in chunk.rows.column_names))

    @cached_property
    def numbers(self) -> Ints:
        """(n,) the number of each row among the records, from 1, not always ascending."""
        return np.concatenate([np.arange(0), *(chunk.numbers for chunk in self.chunks)])

    @cached_property
    def unreadable(self) -> list[Unreadable]:
        """The records that are no rows."""
        return [record for chunk in self.chunks for record in chunk.unreadable]

    @property
    def count(self) -> int:
        """How many records there are, rows or not."""
        return self.numbers.size + len(self.unreadable)

    def is_pointed(self, name: str) -> bool:
        """Whether a column of ids is whole numbers written like 7.0."""
        return name in (pointed_columns(self.chunks, [name]) if self.pointed is None else self.pointed)

    def pointed_notes(self, names: Iterable[str]) -> list[str]:
        """What there is to say of columns of ids that are read as whole numbers."""
        pointed = (name for name in names if name in self.names and self.is_pointed(name))
        return pointed_notes(self.path, pointed)

    def values(
        self, name: str, read: Callable[[pa.ChunkedArray], Values]
    ) -> tuple[pa.ChunkedArray, dict[Wrong, Bools]]:
        """(n,) a column as it is wanted, null where it has no value or a wrong one; and (n,) which are
        wrong."""
        found = [read(_column(chunk.rows, name)) for chunk in self.chunks]
        faults: dict[Wrong, Bools] = {}
        begin = 0
        for values in found:
            end = begin + len(values.array)
            for wrong, how in values.faults:
                faults.setdefault(how, np.zeros(self.numbers.size, dtype=np.bool_))[begin:end] |= wrong
            begin = end
        return pa.chunked_array([values.array for values in found]), faults

    def as_they_came(self, place: int) -> dict[str, Any]:
        """The values of a row, by its place among the rows here."""
        for chunk in self.chunks:
            if place < chunk.rows.num_rows:
                return as_they_came(chunk.rows, place)
            place -= chunk.rows.num_rows
        raise IndexError(place)

    def table(self) -> pa.Table:
        """(n,) all columns of all rows, in the order of `numbers`."""
        rows = [chunk.rows for chunk in self.chunks]
        for name in self.names:
            kinds = {part.schema.field(name).type for part in rows if name in part.column_names}
            if len(kinds - {pa.null()}) > 1:  # of JSON lines, such as numbers and text
                rows = [_with_text(part, name) for part in rows]
        return pa.concat_tables(rows, promote_options="default")

    def where(self, number: int) -> tuple[Path, int]:
        """The file of a record, and its number there."""
        return where(self.files, number)


def read(path: Path) -> Rows:
    """All rows of a file, whose suffix says what it is, or of a folder of such files. Raises ContractError
    for what is not there, is something else, is damaged, or has no rows."""
    rows = read_any(path)
    if not rows.count:
        raise ContractError(f"{path} has no rows")
    return rows


def read_any(path: Path) -> Rows:
    """The same, of which there may be none, where a header or a schema names columns."""
    chunks, files, count = list[Chunk](), list[tuple[Path, int]](), 0
    for file in files_of(path):
        files.append((file, count))
        for chunk in _chunks(file):
            chunks.append(_moved(chunk, files[-1][1]))
            count += chunk.numbers.size + len(chunk.unreadable)
    rows = Rows(path, tuple(chunks), tuple(files))
    if not rows.count and not rows.names:
        raise ContractError(f"{path} has no rows")
    if rows.count and not rows.numbers.size and format_of(files[0][0])[0] == "json":
        raise ContractError(f"{path} holds no JSON lines: one object a line, not a list of them")
    return rows


def pieces(path: Path, columns: Sequence[str], at_once: int, pointed: frozenset[str]) -> Iterator[Rows]:
    """The same, some rows at a time, of Parquet with these columns alone."""
    count = 0
    for file in files_of(path):
        before = count
        for chunk in _chunks(file, columns, at_once):
            yield Rows(path, (_moved(chunk, before),), ((file, before),), pointed)
            count += chunk.numbers.size + len(chunk.unreadable)


def files_of(path: Path) -> list[Path]:
    """The file, or the data files of a folder, such as Spark writes. Raises ContractError for one that is not
    there, or of which nobody can say what it holds."""
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = data_files(path)
        if (path / "_delta_log").is_dir():
            raise ContractError(f"{path} is a Delta table, whose files are not all of one version: export it")
        if not files:
            raise ContractError(f"the folder {path} has no data files")
    else:
        raise ContractError(f"there is no file {path}")
    for file in files:
        if file.is_dir():
            raise ContractError(
                f"{file} is a folder in a folder: give the files themselves, without partitions"
            )
        try:
            format_of(file)
        except UnusableFileError as error:
            raise ContractError(
                f"{file} ends in {file.suffix or 'no suffix'}, not in {', '.join(FORMATS)}, of which text"
                f" may be compressed ({', '.join(COMPRESSIONS)})"
            ) from error
    return files


def _chunks(file: Path, columns: Sequence[str] | None = None, at_once: int | None = None) -> Iterator[Chunk]:
    try:
        yield from read_records(file, columns=columns, at_once=at_once, threads=True)
    except UnusableFileError as error:
        if file.is_file() and not file.stat().st_size:
            raise ContractError(f"{file} has no rows") from error
        raise ContractError(f"{file} cannot be read: {error.clause}") from error


def _moved(chunk: Chunk, by: int) -> Chunk:
    """The chunk with the numbers of a file before which there are so many records."""
    if not by:
        return chunk
    unreadable = tuple(replace(record, number=record.number + by) for record in chunk.unreadable)
    return replace(chunk, numbers=chunk.numbers + by, unreadable=unreadable)


def _column(rows: pa.Table, name: str) -> pa.ChunkedArray:
    return rows[name] if name in rows.column_names else pa.chunked_array([pa.nulls(rows.num_rows)])


def _with_text(rows: pa.Table, name: str) -> pa.Table:
    if name not in rows.column_names or pa.types.is_string(rows.schema.field(name).type):
        return rows
    texts = [value if value is None else json.dumps(value, default=str) for value in rows[name].to_pylist()]
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(texts, pa.string()))
