"""Whether a whole column of ids, over all files that belong together, is whole numbers written like 7.0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    written = {name: Written() for name in names}
    for chunk in chunks:
        for name in written.keys() & set(chunk.rows.column_names):
            written[name].update(chunk.rows[name])
        if not any(column.as_numbers for column in written.values()):
            break
    return frozenset(name for name, column in written.items() if column.pointed)


def pointed_columns_of(files: Sequence[Path], names: Sequence[str]) -> frozenset[str]:
    """The same of files; those that cannot be read say nothing."""
    return pointed_columns((chunk for file in files for chunk in _texts(file, names)), names)


def _texts(file: Path, names: Sequence[str]) -> Iterable[Chunk]:
    try:
        if file.is_file() and format_of(file)[0] == "parquet":
            schema = pa.parquet.read_schema(file)
            names = [
                n for n in names if n in schema.names and pa.types.is_string(plain_type(schema.field(n).type))
            ]
            if not names:
                return
        yield from read(file, columns=names)
    except (UnusableFileError, pa.ArrowException, OSError):
        return
