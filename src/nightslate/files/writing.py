"""Rows with what was computed for them, as a file or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from nightslate.errors import ContractError


def require_writable(path: Path, source: Path, suffixes: Iterable[str] | None = None) -> None:
    """Raise ContractError unless the suffix is one of these, or that `write` knows, in a folder that is
    there, and the file is not the one that is read."""
    known = list(_WRITERS if suffixes is None else suffixes)
    if path.suffix.lower() not in known:
        raise ContractError(f"{path} ends in {path.suffix or 'no suffix'}, not in {', '.join(known)}")
    if not path.parent.is_dir():
        raise ContractError(f"there is no folder {path.parent} to write {path.name} to")
    if is_read(path, source):
        raise ContractError(f"{path} is the file that is read: give the result a file of its own")


def is_read(path: Path, source: Path) -> bool:
    """Whether a file is the one that is read, or in the folder that is."""
    if source.is_dir():
        return path.resolve().is_relative_to(source.resolve())
    return path.exists() and source.exists() and path.samefile(source)


def write(table: pa.Table, path: Path) -> None:
    """Write a table to .parquet, .csv (lists as JSON arrays) or .jsonl. Raises ContractError where the file
    cannot be written."""
    try:
        _WRITERS[path.suffix.lower()](table, path)
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"cannot write {path}: {error}") from error


def json_rows(table: pa.Table) -> Iterator[str]:
    """Each row as a JSON object; what JSON has no number for is null."""
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield json.dumps({name: _finite(value) for name, value in row.items()}, default=str)


def _write_parquet(table: pa.Table, path: Path) -> None:
    pyarrow.parquet.write_table(table, path)


def _write_csv(table: pa.Table, path: Path) -> None:
    for place, name in enumerate(table.column_names):
        if pa.types.is_nested(table[name].type):
            cells = [
                None if value is None else json.dumps(value, default=str) for value in table[name].to_pylist()
            ]
            table = table.set_column(place, name, pa.array(cells, pa.string()))
    pyarrow.csv.write_csv(table, path)


def _write_json_lines(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in json_rows(table))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
}
