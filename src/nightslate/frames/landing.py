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
    "string": lambda t: _is_text(t) or _is_string_dictionary(t),
    "integer": pa.types.is_integer,
    "number": lambda t: pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_decimal(t),
    "timestamp": lambda t: pa.types.is_timestamp(t) and t.tz is not None,
    "array": lambda t: (pa.types.is_list(t) or pa.types.is_large_list(t)) and _is_text(t.value_type),
}
_JSON_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "timestamp": pa.string(),
    "array": pa.list_(pa.string()),
}
_NO_OBJECT = "a line is one JSON object"


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
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableFileError("unreadable_file", str(error).splitlines()[0][:300]) from error


def _read_parquet(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
        _check_names(file.schema_arrow.names, columns)
        for column in columns:
            if column.name in file.schema_arrow.names:
                _check_type(column, file.schema_arrow.field(column.name).type)
        for batch in file.iter_batches(CHUNK_ROWS, use_threads=False):
            batch.validate(full=True)  # damage can leave text that is no UTF-8, and Arrow reads it
            yield Chunk(pa.Table.from_batches([batch]))


def _read_csv(path: Path, columns: tuple[Column, ...]) -> Iterator[Chunk]:
    if path.stat().st_size == 0:
        raise UnusableFileError("schema_mismatch", "an empty file: a CSV file starts with a header")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        names = next(csv.reader(lines), [])
        # A ragged row that is no UTF-8 would not reach `skip`, but stand in Arrow's error as it is.
        while lines.read(CHUNK_BYTES):
            pass
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
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            block += file.readline()
            lines = [line for line in map(bytes.strip, block.split(b"\n")) if line]
            try:
                yield Chunk(_json_rows(lines, columns))
            except pa.ArrowException:
                yield _line_by_line(lines, columns)


def _json_rows(lines: list[bytes], columns: tuple[Column, ...]) -> pa.Table:
    """One row a line. Raises ArrowException if one of them is something else."""
    schema = pa.schema([(c.name, _JSON_TYPES[kind(c)]) for c in columns])
    if not lines:
        return schema.empty_table()
    content = b"\n".join(lines)
    rows = pyarrow.json.read_json(
        BytesIO(content),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
    rows.validate(full=True)
    if rows.num_rows != len(lines):
        raise pa.ArrowInvalid(_NO_OBJECT)
    return rows


def _line_by_line(lines: list[bytes], columns: tuple[Column, ...]) -> Chunk:
    """The slow path of lines with something wrong among them: blames those at fault, keeps the others."""
    faults = [_json_fault(line, columns) for line in lines]
    others = [line for line, fault in zip(lines, faults, strict=True) if fault is None]
    chunk = _without_odd_lines(others, columns)
    return Chunk(chunk.rows, [*filter(None, faults), *chunk.unreadable])


def _without_odd_lines(lines: list[bytes], columns: tuple[Column, ...]) -> Chunk:
    """Halves the lines around each that Python takes for JSON and Arrow does not, such as a key twice."""
    try:
        return Chunk(_json_rows(lines, columns))
    except pa.ArrowException:
        if len(lines) == 1:
            return Chunk(_json_rows([], columns), [_no_object(lines[0])])
    middle = len(lines) // 2
    one, other = (_without_odd_lines(half, columns) for half in (lines[:middle], lines[middle:]))
    return Chunk(pa.concat_tables([one.rows, other.rows]), [*one.unreadable, *other.unreadable])


def _json_fault(line: bytes, columns: tuple[Column, ...]) -> Unreadable | None:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return _no_object(line)
    if row.keys() - {c.name for c in columns}:
        return Unreadable("schema_mismatch", str(_names_fault(list(row), columns)), digest(line), row)
    for column in columns:
        value = row.get(column.name)
        if value is not None and not _JSON_VALUES[kind(column)](value):
            return Unreadable("wrong_type", f"{column.name} is {column.type}", digest(line), row)
    return None


def _no_object(line: bytes) -> Unreadable:
    return Unreadable("unreadable_row", _NO_OBJECT, digest(line))


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
    if fault := _names_fault(names, columns):
        raise UnusableFileError("schema_mismatch", fault)


def _names_fault(names: list[str], columns: tuple[Column, ...]) -> str | None:
    """What is wrong with the names of columns. Names that no contract knows may be data, such as the first
    row of a CSV file without a header, and are only shown beside all that a contract requires."""
    missing = sorted(c.name for c in columns if c.required and not {c.name, c.required_unless} & set(names))
    extra = sorted(set(names) - {c.name for c in columns})
    if len(set(names)) < len(names):
        return "a column name stands twice in the file"
    if missing:
        return f"missing column {', '.join(missing)}"
    return f"column {', '.join(extra)[:200]} is not in the contract" if extra else None


def _check_type(column: Column, found: pa.DataType) -> None:
    if pa.types.is_null(found) and (column.required_unless or not column.required):
        return
    if column.type == "timestamp" and pa.types.is_timestamp(found) and found.tz is None:
        raise UnusableFileError("naive_timestamp", f"{column.name} has a time zone")
    if not _FILE_TYPES[kind(column)](found):
        raise UnusableFileError("schema_mismatch", f"{column.name} is {column.type}, not {found}")


def _is_text(found: pa.DataType) -> bool:
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found))


def _is_string_dictionary(found: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(found)) and bool(pa.types.is_string(found.value_type))
