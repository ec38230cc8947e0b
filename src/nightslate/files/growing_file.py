"""A file that is written piece by piece, and is there once it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from nightslate.files.writing import json_rows


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class Pieces:
    """Tables of one schema to .parquet, .csv or .jsonl. As a context it writes to a draft beside `path`,
    which takes its place if nothing failed: readers see the old file or the whole new one."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._draft = path.with_name(f".{path.name}.{os.getpid()}.draft")

    def __enter__(self) -> Self:
        self._writer = _WRITERS[self._path.suffix.lower()](self._draft, self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
            if error is None:
                self._draft.replace(self._path)
        finally:
            self._draft.unlink(missing_ok=True)

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._writer.write_table(table)


class _JsonLines:
    def __init__(self, path: Path, _: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write_table(self, table: pa.Table) -> None:
        self._file.writelines(f"{row}\n" for row in json_rows(table))

    def close(self) -> None:
        self._file.close()


_WRITERS: dict[str, Callable[[Path, pa.Schema], _Writer]] = {
    # of ids and lags, which hardly ever repeat, a dictionary would be one thing more to write
    ".parquet": partial(
        pyarrow.parquet.ParquetWriter, use_dictionary=["kind", "credit", "value", "rule", "reason"]
    ),
    ".csv": pyarrow.csv.CSVWriter,
    ".jsonl": _JsonLines,
}
