"""The one reader of files of records, for what lands and for the commands that take files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from nightslate.records import chunks
from nightslate.records.chunks import Chunk, UnusableFileError
from nightslate.records.csv_lines import read_csv
from nightslate.records.json_lines import read_json_lines
from nightslate.records.parquet import read_parquet
from nightslate.records.sources import blocks, format_of


def read(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    free_text: Collection[str] = (),
    at_once: int | None = None,
    threads: bool = False,
) -> Iterator[Chunk]:
    """The chunks of a file: first one without rows but with all columns, where the format has them. Of
    Parquet only `columns`, if they are given, and `at_once` rows in a chunk; free_text: the columns in which
    quoted text of CSV may have line breaks.

    Raises UnusableFileError, also half-way through a damaged file: what came before it is not to be used."""
    try:
        if path.is_dir():
            raise UnusableFileError("unreadable_file", "a folder is no file")
        kind, compression = format_of(path)
        if kind == "parquet":
            yield from read_parquet(path, columns, at_once or chunks.CHUNK_ROWS, threads)
        elif kind == "csv":
            yield from read_csv(blocks(path, compression), free_text)
        else:
            yield from read_json_lines(blocks(path, compression))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnusableFileError("unreadable_file", str(error).splitlines()[0][:300]) from error
