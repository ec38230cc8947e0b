"""Files of many rows, of which Parquet need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet

from nightslate.errors import ContractError
from nightslate.files.rows import Files, Rows, files_of, pieces, pointed_notes, read_any
from nightslate.records.pointed import pointed_columns_of
from nightslate.records.sources import format_of

BATCH_ROWS = 1 << 18


@dataclass(frozen=True)
class LargeFile:
    """A file, or the files of a folder. count: how many records they have; names: of their columns; pointed:
    the columns of ids that are whole numbers written like 7.0; whole: all rows, unless they are Parquet."""

    path: Path
    files: Files
    count: int
    names: tuple[str, ...]
    pointed: frozenset[str]
    whole: Rows | None

    @classmethod
    def of(cls, path: Path, ids: Sequence[str]) -> Self:
        """ids: the columns of ids. Raises ContractError for what can't be read."""
        files = files_of(path)
        if all(format_of(file)[0] == "parquet" for file in files):
            names, count, begins = _footers(files)
            there = [name for name in ids if name in names]
            return cls(path, begins, count, names, pointed_columns_of(files, there), None)
        rows = read_any(path)
        pointed = frozenset(name for name in ids if name in rows.names and rows.is_pointed(name))
        return cls(path, rows.files, rows.count, tuple(rows.names), pointed, rows)

    @property
    def pointed_notes(self) -> list[str]:
        """What there is to say of columns of ids that are read as whole numbers."""
        return pointed_notes(self.path, sorted(self.pointed))

    def parts(self, columns: Sequence[str]) -> Iterable[Rows]:
        """Some rows at a time; of Parquet with these columns alone."""
        return [self.whole] if self.whole else pieces(self.path, columns, BATCH_ROWS, self.pointed)


def _footers(files: list[Path]) -> tuple[tuple[str, ...], int, Files]:
    """The columns of Parquet files, how many rows they have together, and before each."""
    names, begins, rows = dict[str, None](), list[tuple[Path, int]](), 0
    for path in files:
        begins.append((path, rows))
        try:
            with pa.parquet.ParquetFile(path) as file:
                names |= dict.fromkeys(file.schema_arrow.names)
                rows += file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ContractError(f"{path} cannot be read: {str(error).splitlines()[0][:300]}") from error
    return tuple(names), rows, tuple(begins)
