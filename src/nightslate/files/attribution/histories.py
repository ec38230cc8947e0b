"""Files of impressions and of outcomes as attribution takes them, and what is wrong with their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightslate.files.attribution.copies import DIFFERS, among, copies, repeated
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import instants, numbers, only, require, texts, texts_or_none
from nightslate.files.hashes import text_keys
from nightslate.files.large import LargeFile
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Files, Rows, read
from nightslate.files.users import ROW
from nightslate.records.instants import INSTANT
from nightslate.records.overlap import KEYS, examples

SLOT = "slot"

_IMPRESSION = ("impression_id", "user_id", "arm_id", "occurred_at")
_OUTCOME = ("outcome_id", "user_id", "kind", "value", "occurred_at")
_NAMES = ("arm_id", "impression_id")


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
    good = only(pa.table(columns), bad.good)
    keys = text_keys(good["outcome_id"])
    twice = copies(good, among(keys, repeated(keys)))
    differing = among(keys, repeated(keys[~twice]))
    bad.blame(places[differing], DIFFERS.format("outcome_id"), "outcome_id")
    refused.add(path, bad.all())
    kept = only(good, ~twice & ~differing)
    refused.require_some_left(path, kept.num_rows)
    ids = [name for name in ("outcome_id", "user_id", *_NAMES) if name in rows.names]
    pointed = tuple(name for name in ids if rows.is_pointed(name))
    return Outcomes(path, rows.files, rows.count, kept, int(np.count_nonzero(twice & ~differing)), pointed)


@dataclass(frozen=True)
class Impressions:
    """Files of impressions. schema: of the batches of `good`."""

    file: LargeFile
    schema: pa.Schema

    @classmethod
    def of(cls, path: Path) -> Impressions:
        """Raises ContractError for a file or columns that cannot be used."""
        file = LargeFile.of(path, _IMPRESSION[:3])
        require(file.names, _IMPRESSION)
        slot = [(SLOT, pa.int64())] if SLOT in file.names else []
        ids = [(name, pa.string()) for name in _IMPRESSION[:3]]
        return cls(file, pa.schema([*ids, ("occurred_at", INSTANT), *slot, (ROW, pa.int64())]))

    def good(self, refused: Refused) -> Iterator[pa.RecordBatch]:
        """The good rows, some at a time, each with its place as ROW; bad ones are refused."""
        for rows in self._parts():
            bad = BadRows(rows)
            table = self._checked(rows, bad).append_column(ROW, pa.array(rows.numbers - 1))
            refused.add(self.file.path, bad.all())
            yield from only(table, bad.good).cast(self.schema).to_batches()

    def examples(self, name: str) -> list[str]:
        """A few ids of a column, as they are read."""
        for rows in self._parts():
            if rows.numbers.size:
                return examples(filter(None, texts(rows, name, BadRows(rows))[:1000].to_pylist()))
        return []

    def _parts(self) -> Iterable[Rows]:
        return self.file.parts([name for name in self.schema.names if name != ROW])

    def _checked(self, rows: Rows, bad: BadRows) -> pa.Table:
        columns = {name: texts(rows, name, bad) for name in _IMPRESSION[:3]}
        columns["occurred_at"] = instants(rows, "occurred_at", bad)
        if SLOT in self.schema.names:
            slot = numbers(rows, SLOT, bad)
            bad.blame(slot != np.floor(slot), "slot is not a whole number", SLOT)
            columns[SLOT] = slot.astype(np.int64)
        return pa.table(columns)
