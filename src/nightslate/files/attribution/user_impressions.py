"""The impressions of users with outcomes, in parts of the users, each impression once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from nightslate.core.arrays import Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.files.attribution.copies import DIFFERS, ROW, among, copies, repeated
from nightslate.files.attribution.histories import BATCH_ROWS, Impressions
from nightslate.files.attribution.threads import in_order
from nightslate.files.attribution.user_parts import Parts
from nightslate.files.hashes import text_keys
from nightslate.files.rejected_rows import BadRow, Refused
from nightslate.files.rows import Files, where

Progress = Callable[[str, int, int], None]
"""Told how much is done of how much, by name."""

_PART_ROWS = 1 << 19
_MOST_PARTS = 512


@dataclass(frozen=True)
class Users:
    """Users by their ids, and the part of each, which follows from its id; how many parts there are."""

    ids: pa.Array
    part: Ints
    parts: int

    @classmethod
    def of(cls, ids: pa.ChunkedArray, rows: int) -> Self:
        """The users of outcomes; rows: of both files, which say how many parts there are."""
        distinct = pc.unique(ids)
        parts = min(_MOST_PARTS, -(-rows // _PART_ROWS))
        return cls(distinct, deal(text_keys(pa.chunked_array([distinct])), seed("attribute"), parts), parts)

    def deal(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, folder: Path) -> Parts:
        """Rows whose user_id is the user's place, null for others, which are left out. schema: of the rows
        with text for it."""
        folder.mkdir()
        at = schema.get_field_index("user_id")
        parts = Parts(folder, self.parts, schema.set(at, pa.field("user_id", pa.int32())))
        part = np.append(self.part, -1)  # at place -1: of other users
        with parts:
            for rows in batches:
                parts.add(rows, part[np.asarray(pc.fill_null(rows["user_id"], -1))])
        return parts

    def bad(self, rows: pa.Table, files: Files, reason: str, column: str) -> Iterator[BadRow]:
        """Rows of these files that were dealt, as `Refused` takes them."""
        for row in rows.to_pylist():
            row["user_id"] = self.ids[row["user_id"]].as_py()
            file, number = where(files, row.pop(ROW) + 1)
            yield BadRow(file, number, reason, partial(dict, row), column)


def deal_outcomes(rows: pa.Table, users: Users, folder: Path) -> Parts:
    """Outcomes in parts of their users."""
    places = pc.index_in(rows["user_id"], value_set=users.ids)
    dealt = rows.set_column(rows.schema.get_field_index("user_id"), "user_id", places)
    return users.deal(dealt.to_batches(BATCH_ROWS), rows.schema, folder)


@dataclass(frozen=True)
class Dealt:
    """twice: keys of ids that stand more than once; clashing: of those that stand for different impressions;
    rows: how many impressions there are, copies and all."""

    users: Users
    parts: Parts
    rows: int
    twice: Keys
    clashing: Keys

    @classmethod
    def of(
        cls, shown: Impressions, users: Users, folder: Path, refused: Refused, progress: Progress
    ) -> Dealt:
        """Deal the good rows of a file to the parts. Bad ones are refused, and so are impressions of these
        users that share an id once exact copies are left out."""
        parts = users.deal(_with_places(shown, users, refused, progress), shown.schema, folder)
        keys = np.concatenate(list(in_order(lambda k: _keys(parts.read(k)), range(users.parts))))
        dealt = cls(users, parts, keys.size, twice := repeated(keys), twice[:0])
        return dealt._without_clashes(shown, refused) if twice.size else dealt

    def read(self, part: int) -> tuple[pa.Table, int]:
        """A part of the impressions, whose user_id is the user's place; and how many exact copies are left
        out."""
        rows = self.parts.read(part)
        if not self.twice.size:
            return rows, 0
        keys = _keys(rows)
        clashing = among(keys, self.clashing)
        copied = copies(rows, among(keys, self.twice) & ~clashing)
        return rows.filter(pa.array(~copied & ~clashing)), int(np.count_nonzero(copied))

    def _without_clashes(self, shown: Impressions, refused: Refused) -> Dealt:
        clashing = repeated(np.concatenate([_keys(self.read(part)[0]) for part in range(self.users.parts)]))
        for part in range(self.users.parts):
            rows = self.parts.read(part)
            rows = rows.filter(pa.array(among(_keys(rows), clashing)))
            reason = DIFFERS.format("impression_id")
            refused.add(shown.path, self.users.bad(rows, shown.files, reason, "impression_id"))
        return Dealt(self.users, self.parts, self.rows, self.twice, clashing)


def _with_places(
    shown: Impressions, users: Users, refused: Refused, progress: Progress
) -> Iterator[pa.RecordBatch]:
    """The good impressions; user_id is the user's place, null for users without outcomes."""
    # a scanner, for it builds the index of the users once, and looks them up in threads of its own
    columns = {name: pc.field(name) for name in shown.schema.names}
    columns["user_id"] = pc.index_in(columns["user_id"], value_set=users.ids)
    scanner = pyarrow.dataset.Scanner.from_batches(
        shown.good(refused), schema=shown.schema, columns=columns, batch_size=BATCH_ROWS, batch_readahead=2
    )
    done = 0
    for batch in scanner.to_batches():
        yield batch
        done += batch.num_rows
        progress("impressions read", done, shown.rows)


def _keys(rows: pa.Table) -> Keys:
    return text_keys(rows["impression_id"])
