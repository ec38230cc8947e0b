"""Whether a whole column of ids, over all files that belong together, is whole numbers written like 7.0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from nightslate.records.chunks import Chunk, UnusableFileError
from nightslate.records.ids import Written
from nightslate.records.reading import read
from nightslate.records.sources import format_of
from nightslate.records.values import plain_type


def pointed_columns(chunks: Iterable[Chunk], names: Iterable[str]) -> frozenset[str]:
    """Those of these columns that are; looks no further than it takes to see that none is."""
    return _pointed(_looked_at(chunks, {name: Written() for name in names}))


def pointed_columns_of(files: Sequence[Path], names: Iterable[str]) -> frozenset[str]:
    """The same of files. Those that cannot be read say nothing."""
    written = {name: Written() for name in names}
    for name, column in written.items():  # each alone: a column of text without values takes long to look at
        _looked_at(_of_parquet(files, name), {name: column})
    return _pointed(_looked_at(_of_text(files), written))


def _pointed(written: dict[str, Written]) -> frozenset[str]:
    return frozenset(name for name, column in written.items() if column.pointed)


def _looked_at(chunks: Iterable[Chunk], written: dict[str, Written]) -> dict[str, Written]:
    for chunk in chunks:
        for name in written.keys() & set(chunk.rows.column_names):
            written[name].update(chunk.rows[name])
        if not any(column.as_numbers for column in written.values()):
            break
    return written


def _of_parquet(files: Sequence[Path], name: str) -> Iterator[Chunk]:
    for file in _of_format(files, parquet=True):
        try:
            schema = pa.parquet.read_schema(file)
            if name in schema.names and pa.types.is_string(plain_type(schema.field(name).type)):
                yield from read(file, columns=[name])
        except (UnusableFileError, pa.ArrowException, OSError):
            continue


def _of_text(files: Sequence[Path]) -> Iterator[Chunk]:
    for file in _of_format(files, parquet=False):
        try:
            yield from read(file)
        except UnusableFileError:
            continue


def _of_format(files: Sequence[Path], parquet: bool) -> Iterator[Path]:
    for file in files:
        try:
            if file.is_file() and (format_of(file)[0] == "parquet") is parquet:
                yield file
        except UnusableFileError:
            continue
