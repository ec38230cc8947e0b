"""A file of rows, whole: Parquet, CSV or JSON lines."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from nightslate.errors import ContractError

_NO_OBJECT = "the line is not one JSON object"


@dataclass(frozen=True)
class Unreadable:
    """A line that is no row, as text, and what is wrong with it."""

    text: str
    reason: str


@dataclass(frozen=True)
class Rows:
    """The rows of a file in their order. CSV columns are text.

    unreadable: by their place, lines that are no rows; the table has nulls there, so that every row is where
    the file has it."""

    table: pa.Table
    unreadable: dict[int, Unreadable] = field(default_factory=dict)


def read(path: Path) -> Rows:
    """The rows of a file, whose suffix says what it is. Raises ContractError for a file that is not there,
    is something else, is damaged, or has no rows."""
    reader = _READERS.get(path.suffix.lower())
    if not path.is_file():
        raise ContractError(f"there is no file {path}")
    if reader is None:
        raise ContractError(f"{path} ends in {path.suffix or 'no suffix'}, not in {', '.join(_READERS)}")
    try:
        rows = reader(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"{path} cannot be read: {str(error).splitlines()[0][:300]}") from error
    names = rows.table.column_names
    if len(set(names)) < len(names):
        raise ContractError(f"{path} has a column name twice: {', '.join(names)}")
    if not rows.table.num_rows:
        raise ContractError(f"{path} has no rows")
    return rows


def _read_parquet(path: Path) -> Rows:
    with pyarrow.parquet.ParquetFile(path) as file:
        table = file.read()
    table.validate(full=True)  # damage can leave text that is no UTF-8, and Arrow reads it
    return Rows(table)


def _read_csv(path: Path) -> Rows:
    """All as text: what a column holds is for those to say who know what it is for."""
    unreadable: dict[int, Unreadable] = {}

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        reason = f"the line has {row.actual_columns} columns, not {row.expected_columns}"
        unreadable[row.number - 2] = Unreadable(row.text, reason)  # the header is row 1
        return "skip"

    with path.open(encoding="utf-8-sig", newline="") as lines:
        names = next(csv.reader(lines), [])
    if not names:
        return Rows(pa.table({}))
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),  # with threads rows have no numbers
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    return _with_gaps(table, unreadable)


def _read_json_lines(path: Path) -> Rows:
    try:
        return Rows(pyarrow.json.read_json(path))
    except pa.ArrowException:
        return _line_by_line(path)


def _line_by_line(path: Path) -> Rows:
    """The slow path of a file in which something is wrong, or a column holds both numbers and text."""
    objects: list[dict[str, Any]] = []
    unreadable: dict[int, Unreadable] = {}
    with path.open(encoding="utf-8-sig") as lines:
        for place, line in enumerate(line for line in lines if line.strip()):
            row = _json_object(line)
            if row is None:
                unreadable[place] = Unreadable(line.rstrip("\n"), _NO_OBJECT)
            objects.append(row or {})
    if objects and len(unreadable) == len(objects):
        raise ContractError(f"{path} holds no JSON lines: one object a line, not a list of them")
    names = dict.fromkeys(name for row in objects for name in row)
    return Rows(pa.table({name: _column([row.get(name) for row in objects]) for name in names}), unreadable)


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _column(values: list[Any]) -> pa.Array:
    """Of one type if that holds them all, else text."""
    kinds = {type(value) for value in values if value is not None}
    if bool not in kinds or len(kinds) == 1:  # Arrow would take true for 1
        with contextlib.suppress(pa.ArrowException, OverflowError):
            return pa.array(values)
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.string())


def _with_gaps(table: pa.Table, unreadable: dict[int, Unreadable]) -> Rows:
    """Rows of nulls where lines were left out."""
    if not unreadable:
        return Rows(table)
    places = iter(range(table.num_rows))
    taken = [None if row in unreadable else next(places) for row in range(table.num_rows + len(unreadable))]
    return Rows(table.take(pa.array(taken, pa.int64())), unreadable)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
}
