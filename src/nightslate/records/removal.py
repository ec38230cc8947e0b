"""Takes records out of a file of any format; the others stay as they are, byte by byte in text."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightslate.core.arrays import Bools, Ints
from nightslate.records.chunks import Chunk, UnusableFileError
from nightslate.records.csv_lines import csv_blocks
from nightslate.records.ids import are_ids, ids
from nightslate.records.json_lines import read_json_lines
from nightslate.records.reading import read
from nightslate.records.sources import Lines, blocks, format_of
from nightslate.records.values import mask


@dataclass(frozen=True)
class OfId:
    """The records whose column of ids is this one, and those that are no rows and in which it stands as a
    word: nobody knows whose they are. pointed: as in `ids`."""

    column: str
    id: str
    pointed: bool = False

    def among(self, rows: pa.Table) -> Bools:
        """(n,) which rows are."""
        if self.column not in rows.column_names or not are_ids(rows[self.column].type):
            return np.zeros(rows.num_rows, dtype=np.bool_)
        return mask(pc.equal(ids(rows[self.column], self.pointed).array, self.id))

    def numbers(self, chunk: Chunk) -> Ints:
        """The numbers of those records of a chunk that are."""
        word = re.compile(rb"(?<![0-9A-Za-z])" + re.escape(self.id.encode()) + rb"(?![0-9A-Za-z])")
        odd = [record.number for record in chunk.unreadable if word.search(record.content)]
        return np.concatenate([chunk.numbers[self.among(chunk.rows)], np.array(odd, dtype=np.int64)])


def count(path: Path, wanted: OfId, free_text: Collection[str] = ()) -> int:
    """How many records of a file are wanted; free_text as in `read`. Raises UnusableFileError for one that
    can't be read."""
    columns = [wanted.column] if format_of(path)[0] == "parquet" else None
    found = read(path, columns=columns, free_text=free_text)
    return sum(wanted.numbers(chunk).size for chunk in found)


def remove(path: Path, wanted: OfId, free_text: Collection[str] = ()) -> None:
    """Writes the file anew without the records that are wanted; whoever reads it meanwhile sees the old one
    or the new one. Raises UnusableFileError as `count`."""
    kind, compression = format_of(path)
    with _replacing(path) as draft:
        if kind == "parquet":
            _parquet_without(path, wanted, draft)
            return
        texts = blocks(path, compression)
        with pa.output_stream(str(draft), compression=compression) as file:
            for text in (
                _csv_without(texts, wanted, free_text) if kind == "csv" else _json_without(texts, wanted)
            ):
                file.write(text)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A draft beside a file, under a name that nobody takes for data, which becomes the file."""
    draft = path.with_name(f"_{path.name}.draft")
    try:
        yield draft
        draft.chmod(path.stat().st_mode)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnusableFileError("unreadable_file", str(error).splitlines()[0]) from error
    finally:
        draft.unlink(missing_ok=True)


def _parquet_without(path: Path, wanted: OfId, draft: Path) -> None:
    """With the types that they are read with, which mean the same."""
    found = read(path)
    nothing = next(found).rows
    with pq.ParquetWriter(draft, nothing.schema, write_page_checksum=True) as written:
        for chunk in found:
            written.write_table(chunk.rows.filter(pa.array(~wanted.among(chunk.rows))))


def _csv_without(texts: Iterator[bytes], wanted: OfId, free_text: Collection[str]) -> Iterator[bytes]:
    for block in csv_blocks(texts, free_text):
        yield _lines_but(block.text, block.record_of, wanted.numbers(block.chunk))


def _json_without(texts: Iterator[bytes], wanted: OfId) -> Iterator[bytes]:
    for text in texts:
        found = [wanted.numbers(chunk) for chunk in read_json_lines(iter([text]))]
        if not any(numbers.size for numbers in found):
            yield text
            continue
        lines = Lines(text)
        record = np.array([bool(lines.content(line).strip()) for line in range(len(lines))], dtype=np.bool_)
        yield _lines_but(text, np.where(record, np.cumsum(record), 0), np.concatenate(found))


def _lines_but(text: bytes, record_of: Ints, numbers: Ints) -> bytes:
    """The lines that are of no such record."""
    return Lines(text).only(~np.isin(record_of, numbers)) if numbers.size else text
