"""Files of impressions and of outcomes as attribution takes them, and what is wrong with their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from nightslate.core.arrays import Bools
from nightslate.errors import ContractError
from nightslate.files.attribution.copies import DIFFERS, ROW, among, copies, repeated
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import instants, numbers, require, texts, texts_or_none
from nightslate.files.hashes import text_keys
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Files, Rows, files_of, pieces, read
from nightslate.records.instants import INSTANT
from nightslate.records.overlap import KEYS, examples
from nightslate.records.pointed import pointed_columns_of
from nightslate.records.sources import format_of

SLOT = "slot"

_IMPRESSION = ("impression_id", "user_id", "arm_id", "occurred_at")
_OUTCOME = ("outcome_id", "user_id", "kind", "value", "occurred_at")
_NAMES = ("arm_id", "impression_id")
BATCH_ROWS = 1 << 18


@dataclass(frozen=True)
class Outcomes:
    """A file of outcomes of so many rows. good: each good row once, as text, numbers and moments, and its
    place as ROW; copies: how many exact copies that leaves out; pointed: the columns of ids that are read as
    whole numbers, which they are, written like 7.0."""

    path: Path
    files: Files
    rows: int
    good: pa.Table
    copies: int
    pointed: tuple[str, ...]

    def examples(self) -> dict[str, list[str]]:
        """A few of the keys that they have in common with impressions, by column."""
        there = [name for name in KEYS if name in self.good.column_names]
        return {name: examples(self.good[name][:1000].drop_null().to_pylist()) for name in there}


def read_outcomes(path: Path, needed: tuple[str, ...], refused: Refused) -> Outcomes:
    """The outcomes of a file; bad ones are refused. needed: which of the columns arm_id and impression_id the
    matching cannot do without.

    Raises ContractError for a file or columns that cannot be used, or if no row is good."""
    rows = read(path)
    bad = BadRows(rows)
    require(rows.names, (*_OUTCOME, *needed))
    columns = {name: texts(rows, name, bad) for name in ("outcome_id", "user_id", "kind")}
    columns |= {name: texts_or_none(rows, name, bad) for name in _NAMES if name in rows.names}
    columns["value"] = numbers(rows, "value", bad)
    columns["occurred_at"] = instants(rows, "occurred_at", bad)
    columns[ROW] = rows.numbers - 1
    places = np.flatnonzero(bad.good)
    good = _only(pa.table(columns), bad.good)
    keys = text_keys(good["outcome_id"])
    twice = copies(good, among(keys, repeated(keys)))
    differing = among(keys, repeated(keys[~twice]))
    bad.blame(places[differing], DIFFERS.format("outcome_id"), "outcome_id")
    refused.add(path, bad.all())
    kept = _only(good, ~twice & ~differing)
    refused.require_some_left(path, kept.num_rows)
    ids = [name for name in ("outcome_id", "user_id", *_NAMES) if name in rows.names]
    pointed = tuple(name for name in ids if rows.is_pointed(name))
    return Outcomes(path, rows.files, rows.count, kept, int(np.count_nonzero(twice & ~differing)), pointed)


@dataclass(frozen=True)
class Impressions:
    """Files of impressions, of which Parquet need not fit into memory. schema: of the batches of `good`;
    pointed: as of outcomes."""

    path: Path
    files: Files
    rows: int
    schema: pa.Schema
    pointed: tuple[str, ...]
    whole: Rows | None

    @classmethod
    def of(cls, path: Path) -> Impressions:
        """Raises ContractError for a file or columns that cannot be used."""
        files, whole = files_of(path), None
        if all(format_of(file)[0] == "parquet" for file in files):
            there, rows, begins = _footers(files)
            pointed = pointed_columns_of(files, _IMPRESSION[:3])
        else:
            whole = read(path)
            there, rows, begins = whole.names, whole.count, whole.files
            pointed = frozenset(name for name in _IMPRESSION[:3] if name in there and whole.is_pointed(name))
        require(there, _IMPRESSION)
        slot = [(SLOT, pa.int64())] if SLOT in there else []
        ids = [(name, pa.string()) for name in _IMPRESSION[:3]]
        schema = pa.schema([*ids, ("occurred_at", INSTANT), *slot, (ROW, pa.int64())])
        return cls(path, begins, rows, schema, tuple(sorted(pointed)), whole)

    def good(self, refused: Refused) -> Iterator[pa.RecordBatch]:
        """The good rows, some at a time, each with its place as ROW; bad ones are refused."""
        for rows in self._parts():
            bad = BadRows(rows)
            table = self._checked(rows, bad).append_column(ROW, pa.array(rows.numbers - 1))
            refused.add(self.path, bad.all())
            yield from _only(table, bad.good).cast(self.schema).to_batches()

    def examples(self, name: str) -> list[str]:
        """A few ids of a column, as they are read."""
        for rows in self._parts():
            if rows.numbers.size:
                return examples(filter(None, texts(rows, name, BadRows(rows))[:1000].to_pylist()))
        return []

    def _parts(self) -> Iterable[Rows]:
        if self.whole:
            return [self.whole]
        columns = [name for name in self.schema.names if name != ROW]
        return pieces(self.path, columns, BATCH_ROWS, frozenset(self.pointed))

    def _checked(self, rows: Rows, bad: BadRows) -> pa.Table:
        columns = {name: texts(rows, name, bad) for name in _IMPRESSION[:3]}
        columns["occurred_at"] = instants(rows, "occurred_at", bad)
        if SLOT in self.schema.names:
            slot = numbers(rows, SLOT, bad)
            bad.blame(slot != np.floor(slot), "slot is not a whole number", SLOT)
            columns[SLOT] = slot.astype(np.int64)
        return pa.table(columns)


def _footers(files: list[Path]) -> tuple[list[str], int, Files]:
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
    return list(names), rows, tuple(begins)


def _only(table: pa.Table, rows: Bools) -> pa.Table:
    """Some rows; the table itself where that is all of them, for a copy may be large."""
    return table if rows.all() else table.filter(pa.array(rows))
