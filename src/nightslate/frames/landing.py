"""Landing files as they came: Parquet, CSV or JSON lines, read in chunks, nothing lost on the way."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from nightslate.contracts import Column

CHUNK_ROWS = 65_536
CHUNK_BYTES = 16 << 20

_FILE_TYPES: dict[str, Any] = {
    "string": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or _is_string_dictionary(t),
    "integer": pa.types.is_integer,
    "number": lambda t: pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_decimal(t),
    "timestamp": lambda t: pa.types.is_timestamp(t) and t.tz is not None,
    "array": lambda t: pa.types.is_list(t) or pa.types.is_large_list(t),
}
_JSON_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "timestamp": pa.string(),
    "array": pa.list_(pa.string()),
}


class UnusableFileError(Exception):
    """A file that can't be loaded at all; `reason` is the quarantine's."""

    def __init__(self, reason: str, clause: str) -> None:
        super().__init__(f"{reason}: {clause}")
        self.reason, self.clause = reason, clause


@dataclass(frozen=True)
class Unreadable:
    """A line that is no row. It may hold a raw user id anywhere, so only its digest is kept."""

    reason: str
    clause: str
    digest: str
    values: dict[str, object] | None = None


@dataclass(frozen=True)
class Chunk:
    """Rows under the names of the file's columns, and the lines between them that are no rows."""

    rows: pa.Table
    unreadable: list[Unreadable] = field(default_factory=list)


def landing_files(folder: Path) -> list[Path]:
    """The data files of one log's day, by name. Names that start with _ or . are not data."""
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "_.")


def read(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    """The chunks of a landing file. Raises UnusableFileError, also half-way through a damaged file."""
    readers = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_json_lines}
    reader = readers.get(path.suffix)
    if reader is None:
        raise UnusableFileError(
            "unreadable_file", f"{path.suffix or 'no suffix'} is not one of {', '.join(readers)}"
        )
    try:
        yield from reader(path, columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnusableFileError("unreadable_file", str(error).splitlines()[0][:300]) from error


def _read_parquet(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    with pyarrow.parquet.ParquetFile(path) as file:
        _check_names(file.schema_arrow.names, columns)
        for column in columns:
            if column.name in file.schema_arrow.names:
                _check_type(column, file.schema_arrow.field(column.name).type)
        for batch in file.iter_batches(CHUNK_ROWS, use_threads=False):
            yield Chunk(pa.Table.from_batches([batch]))


def _read_csv(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    if path.stat().st_size == 0:
        raise UnusableFileError("schema_mismatch", "an empty file: a CSV file starts with a header")
    with path.open(encoding="utf-8", newline="") as lines:
        names = next(csv.reader(lines), [])
    _check_names(names, columns)
    unreadable: list[Unreadable] = []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        clause = f"a row has {row.expected_columns} columns, not {row.actual_columns}"
        unreadable.append(Unreadable("unreadable_row", clause, digest((row.text or "").encode())))
        return "skip"

    reader = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=CHUNK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    for batch in reader:
        yield Chunk(pa.Table.from_batches([batch]))
    yield Chunk(pa.schema([(name, pa.string()) for name in names]).empty_table(), unreadable)


def _read_json_lines(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    schema = pa.schema([(c.name, _JSON_TYPES[kind(c)]) for c in columns])
    strict = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            block += file.readline()
            try:
                yield Chunk(pyarrow.json.read_json(BytesIO(block), parse_options=strict))
            except pa.ArrowException:
                yield _line_by_line(block, columns, schema)


def _line_by_line(block: bytes, columns: tuple[Column, ...], schema: pa.Schema) -> Chunk:
    """The slow path of a block with something wrong in it: finds the lines at fault, keeps the others."""
    rows: list[dict[str, object]] = []
    unreadable: list[Unreadable] = []
    for line in filter(None, map(bytes.strip, block.split(b"\n"))):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            unreadable.append(Unreadable("unreadable_row", "a line is one JSON object", digest(line)))
        elif fault := _json_fault(row, columns):
            unreadable.append(Unreadable(*fault, digest(line), row))
        else:
            rows.append(row)
    return Chunk(pa.Table.from_pylist(rows, schema), unreadable)


def _json_fault(row: dict[str, object], columns: tuple[Column, ...]) -> tuple[str, str] | None:
    for name in row.keys() - {c.name for c in columns}:
        return "schema_mismatch", f"column {name[:63]!r} is not in the contract"
    for column in columns:
        value = row.get(column.name)
        if value is not None and not _JSON_VALUES[kind(column)](value):
            return "wrong_type", f"{column.name} is {column.type}"
    return None


_JSON_VALUES: dict[str, Any] = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool) and abs(v) < 2**63,
    "number": lambda v: isinstance(v, float) or (isinstance(v, int) and not isinstance(v, bool)),
    "timestamp": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
}


def kind(column: Column) -> str:
    """The kind of value a file must bring for a column: what it may be narrowed from without loss."""
    if column.type in ("int", "bigint"):
        return "integer"
    if column.fractional:
        return "number"
    return "array" if column.type.startswith("array") else column.type


def digest(line: bytes) -> str:
    """How a line that can't be kept is found again in its landing file: its SHA-256, without the newline."""
    return hashlib.sha256(line).hexdigest()


def _check_names(names: list[str], columns: tuple[Column, ...]) -> None:
    known = {c.name for c in columns}
    missing = sorted({c.name for c in columns if c.required} - set(names))
    extra = sorted(set(names) - known)
    if len(set(names)) < len(names):
        raise UnusableFileError("schema_mismatch", "a column name stands twice in the file")
    if missing:
        raise UnusableFileError("schema_mismatch", f"missing column {', '.join(missing)}")
    if extra:
        raise UnusableFileError("schema_mismatch", f"column {', '.join(extra)[:200]} is not in the contract")


def _check_type(column: Column, found: pa.DataType) -> None:
    if pa.types.is_null(found) and not column.required:
        return
    if column.type == "timestamp" and pa.types.is_timestamp(found) and found.tz is None:
        raise UnusableFileError("naive_timestamp", f"{column.name} has a time zone")
    if not _FILE_TYPES[kind(column)](found):
        raise UnusableFileError("schema_mismatch", f"{column.name} is {column.type}, not {found}")


def _is_string_dictionary(found: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(found)) and bool(pa.types.is_string(found.value_type))
