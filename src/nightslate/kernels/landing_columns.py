"""Landing files as they came, held to the columns of their contract."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa

from nightslate.contracts import Column
from nightslate.records.chunks import Chunk, UnusableFileError
from nightslate.records.overlap import form
from nightslate.records.reading import read as read_records
from nightslate.records.sources import format_of, other_delimiter
from nightslate.records.typed import can_be

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,62}")


def read(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    """The chunks of a landing file. Raises UnusableFileError, also half-way through a damaged file.

    The columns of Parquet and CSV are the file's, and have to be the contract's; those of JSON lines are the
    row's."""
    free_text = [column.name for column in columns if column.free_text]
    for chunk in read_records(path, free_text=free_text):
        kind, _ = format_of(path)
        if kind != "json":
            _check_names(chunk.rows.column_names, columns)
        if kind == "parquet":
            _check_types(chunk.rows.schema, columns)
        yield chunk


def digest(record: bytes) -> str:
    """How a record that can't be kept is found again in its landing file: its SHA-256, without line end."""
    return hashlib.sha256(record).hexdigest()


def names_fault(names: Collection[str], columns: tuple[Column, ...]) -> str | None:
    """What is wrong with the names of columns, of a file or of a JSON line. Names that no contract knows may
    be data, such as the first row of a CSV file without a header, and are only shown beside all that a
    contract requires."""
    missing = sorted(c.name for c in columns if c.required and not {c.name, c.required_unless} & set(names))
    extra = sorted(set(names) - {c.name for c in columns})
    if missing:
        return f"missing column {', '.join(missing)}"
    return f"column {', '.join(map(_shown, extra))[:200]} is not in the contract" if extra else None


def _shown(name: str) -> str:
    """A name that may be one of a column, and of any other what it looks like."""
    return name if _NAME.fullmatch(name) else form(name)


def _check_names(names: list[str], columns: tuple[Column, ...]) -> None:
    if fault := names_fault(names, columns):
        delimiter = other_delimiter(names, [column.name for column in columns if column.required])
        hint = f"; columns are separated by commas, not by {delimiter!r}" if delimiter else ""
        raise UnusableFileError("schema_mismatch", f"{fault}{hint}")


def _check_types(schema: pa.Schema, columns: tuple[Column, ...]) -> None:
    for column in columns:
        if column.name not in schema.names:
            continue
        found = schema.field(column.name).type
        if column.type == "timestamp" and pa.types.is_timestamp(found) and found.tz is None:
            raise UnusableFileError("naive_timestamp", f"{column.name} has a time zone")
        if not can_be(found, column):
            raise UnusableFileError("schema_mismatch", f"{column.name} is {column.type}, not {found}")
