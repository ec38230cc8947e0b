"""Files of impressions and of outcomes as attribution takes them, and what is wrong with their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet

from nightslate.core.arrays import Bools
from nightslate.errors import ContractError
from nightslate.files.attribution.copies import DIFFERS, ROW, among, copies, repeated
from nightslate.files.attribution.refused import Refused
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import numbers, require, texts
from nightslate.files.hashes import text_keys
from nightslate.files.instants import INSTANT, instants
from nightslate.files.reading import Rows, read

SLOT = "slot"

_IMPRESSION = ("impression_id", "user_id", "arm_id", "occurred_at")
_OUTCOME = ("outcome_id", "user_id", "kind", "value", "occurred_at")
_NAMES = ("arm_id", "impression_id")
_JSON = (".jsonl", ".ndjson", ".json")
BATCH_ROWS = 1 << 18


@dataclass(frozen=True)
class Outcomes:
    """A file of outcomes of so many rows. good: each good row once, as text, numbers and moments, and its
    place as ROW; copies: how many exact copies that leaves out."""

    path: Path
    rows: int
    good: pa.Table
    copies: int


def read_outcomes(path: Path, needed: tuple[str, ...], refused: Refused) -> Outcomes:
    """The outcomes of a file; bad ones are refused. needed: which of the columns arm_id and impression_id the
    matching cannot do without.

    Raises ContractError for a file or columns that cannot be used, or if no row is good."""
    rows = _read(path, (*_OUTCOME, *_NAMES))
    table, bad = rows.table, BadRows(rows)
    require(table, (*_OUTCOME, *needed))
    columns = {name: texts(table, name, bad) for name in ("outcome_id", "user_id", "kind")}
    for name in ("outcome_id", "user_id"):
        bad.blame(np.asarray(pc.equal(columns[name], "")), f"{name} is empty")
    columns |= {name: _texts_or_none(rows, name, bad) for name in _NAMES if name in table.column_names}
    columns["value"] = numbers(table, "value", bad)
    columns["occurred_at"] = instants(table, "occurred_at", bad)
    columns[ROW] = np.arange(table.num_rows)
    good = _only(pa.table(columns), bad.good)
    keys = text_keys(good["outcome_id"])
    twice = copies(good, among(keys, repeated(keys)))
    differing = among(keys, repeated(keys[~twice]))
    bad.blame(np.asarray(good[ROW])[differing], DIFFERS.format("outcome_id"))
    refused.add(path, bad.rows())
    kept = _only(good, ~twice & ~differing)
    if not kept.num_rows:
        raise ContractError("\n".join([*refused.summary, f"No outcome of {path} is left"]))
    return Outcomes(path, table.num_rows, kept, int(np.count_nonzero(twice & ~differing)))


@dataclass(frozen=True)
class Impressions:
    """A file of impressions, of which Parquet need not fit into memory. schema: of the batches of `good`."""

    path: Path
    rows: int
    schema: pa.Schema
    whole: Rows | None

    @classmethod
    def of(cls, path: Path) -> Impressions:
        """Raises ContractError for a file or columns that cannot be used."""
        if path.suffix.lower() == ".parquet" and path.is_file():
            whole = None
            try:
                with pa.parquet.ParquetFile(path) as file:
                    there, rows = file.schema_arrow.empty_table(), file.metadata.num_rows
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(path, error) from error
        else:
            whole = _read(path, (*_IMPRESSION, SLOT))
            there, rows = whole.table, whole.table.num_rows
        require(there, _IMPRESSION)
        slot = [(SLOT, pa.int64())] if SLOT in there.column_names else []
        ids = [(name, pa.string()) for name in _IMPRESSION[:3]]
        return cls(path, rows, pa.schema([*ids, ("occurred_at", INSTANT), *slot, (ROW, pa.int64())]), whole)

    def good(self, refused: Refused) -> Iterator[pa.RecordBatch]:
        """The good rows, some at a time, each with its place as ROW; bad ones are refused."""
        begin = 0
        for rows in self._batches():
            bad = BadRows(rows)
            table = self._checked(rows.table, bad).append_column(
                ROW, pa.array(np.arange(begin, begin + rows.table.num_rows))
            )
            if bad.counts:
                refused.add(self.path, ({**row, "row": row["row"] + begin} for row in bad.rows()))
                table = table.filter(pa.array(bad.good))
            begin += rows.table.num_rows
            yield from table.cast(self.schema).to_batches()

    def _checked(self, table: pa.Table, bad: BadRows) -> pa.Table:
        columns = {name: texts(table, name, bad) for name in _IMPRESSION[:3]}
        columns["occurred_at"] = instants(table, "occurred_at", bad)
        if SLOT in self.schema.names:
            slot = numbers(table, SLOT, bad)
            bad.blame(slot != np.floor(slot), "slot is not a whole number")
            columns[SLOT] = slot.astype(np.int64)
        return pa.table(columns)

    def _batches(self) -> Iterator[Rows]:
        if self.whole:
            yield self.whole
            return
        columns = [name for name in self.schema.names if name != ROW]
        try:
            # a buffer ahead would keep all that was read until the end
            with pa.parquet.ParquetFile(self.path, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                    batch.validate(full=True)  # damage can leave text that is no UTF-8, and Arrow reads it
                    yield Rows(pa.Table.from_batches([batch]))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def _read(path: Path, columns: tuple[str, ...]) -> Rows:
    """The rows of a file. Text of JSON lines that looks like a time stays text: Arrow would take a time
    without a zone for one in UTC, and an id that is a date for a time."""
    rows = read(path)
    times = [f.name for f in rows.table.schema if f.name in columns and pa.types.is_timestamp(f.type)]
    if times and path.suffix.lower() in _JSON:
        as_text = pa.schema([(name, pa.string()) for name in times])
        options = pyarrow.json.ParseOptions(explicit_schema=as_text)
        return Rows(pyarrow.json.read_json(path, parse_options=options))
    return rows


def _texts_or_none(rows: Rows, name: str, bad: BadRows) -> pa.ChunkedArray:
    """A column of ids that need not be there in every row."""
    there = np.asarray(pc.is_valid(rows.table[name]))
    unfit = BadRows(Rows(rows.table))
    ids = texts(rows.table, name, unfit)
    bad.blame(there & ~unfit.good, f"{name} is not text or a whole number")
    return pc.if_else(pa.array(there), ids, pa.scalar(None, pa.string()))


def _only(table: pa.Table, rows: Bools) -> pa.Table:
    """Some rows; the table itself where that is all of them, for a copy may be large."""
    return table if rows.all() else table.filter(pa.array(rows))


def _unreadable(path: Path, error: Exception) -> ContractError:
    return ContractError(f"{path} cannot be read: {str(error).splitlines()[0][:300]}")
