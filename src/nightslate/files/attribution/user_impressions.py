"""The impressions of users with outcomes, in parts of the users, each impression once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Int16s, Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.files.attribution.copies import DIFFERS, ROW, among, copies, repeated
from nightslate.files.attribution.histories import BATCH_ROWS, Impressions
from nightslate.files.attribution.text_index import TextIndex
from nightslate.files.attribution.threads import in_order
from nightslate.files.attribution.user_parts import Hand, Parts
from nightslate.files.hashes import text_keys
from nightslate.files.rejected_rows import BadRow, Refused
from nightslate.files.rows import Files, where

Progress = Callable[[str, int, int], None]
"""Told how much is done of how much, by name."""

_PART_ROWS = 1 << 19
_MOST_PARTS = 512


@dataclass(frozen=True)
class Users:
    """Users by their ids; the part of each, which follows from its id, and last, at place -1, that of others,
    which is negative; how many parts there are."""

    ids: TextIndex
    part: Int16s
    parts: int

    @classmethod
    def of(cls, ids: pa.StringArray, rows: int) -> Self:
        """The users of outcomes, each once; rows: of both files, which say how many parts there are."""
        parts, keys = min(_MOST_PARTS, -(-rows // _PART_ROWS)), text_keys(pa.chunked_array([ids]))
        part = np.append(deal(keys, seed("attribute"), parts), -1)
        return cls(TextIndex.of(ids, keys), part.astype(np.int16), parts)

    def files(self, folder: Path, schema: pa.Schema) -> Parts:
        """A new folder for rows by part. schema: of the rows with text for user_id, which is to be the user's
        place."""
        folder.mkdir()
        at = schema.get_field_index("user_id")
        return Parts(folder, self.parts, schema.set(at, pa.field("user_id", pa.int32())))

    def hand(self, rows: pa.RecordBatch, places: Ints) -> Hand:
        """Rows by part, with the place of each one's user, -1 of others, which are left out."""
        at = rows.schema.get_field_index("user_id")
        dealt = rows.set_column(at, "user_id", pa.array(places.astype(np.int32)))
        return Hand.of(dealt, self.part[places], self.parts)

    def bad(self, rows: pa.Table, files: Files, reason: str, column: str) -> Iterator[BadRow]:
        """Rows of these files that were dealt, as `Refused` takes them."""
        for row in rows.to_pylist():
            row["user_id"] = self.ids.texts[row["user_id"]].as_py()
            file, number = where(files, row.pop(ROW) + 1)
            yield BadRow(file, number, reason, partial(dict, row), column)


def deal_outcomes(rows: pa.Table, of_rows: int, folder: Path) -> tuple[Users, Parts]:
    """Outcomes in parts of their users. of_rows: as `Users` takes them."""
    encoded = pc.dictionary_encode(rows["user_id"]).combine_chunks()
    users = Users.of(encoded.dictionary, of_rows)
    places, done = np.asarray(encoded.indices), 0
    with users.files(folder, rows.schema) as parts:
        for batch in rows.to_batches(BATCH_ROWS):
            parts.add(users.hand(batch, places[done : done + batch.num_rows]))
            done += batch.num_rows
    return users, parts


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
        with users.files(folder, shown.schema) as parts:
            keys = _dealt(shown, users, parts, refused, progress)
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


def _dealt(shown: Impressions, users: Users, parts: Parts, refused: Refused, progress: Progress) -> Keys:
    """Deal the good impressions to the parts. Returns the keys of the ids of those that are dealt."""

    def by_part(rows: pa.RecordBatch) -> tuple[int, Hand, Keys]:
        hand = users.hand(rows, users.ids.find(rows["user_id"]))
        return rows.num_rows, hand, text_keys(pa.chunked_array([hand.rows["impression_id"]]))

    found, done = [np.empty(0, np.uint64)], 0
    for read, hand, keys in in_order(by_part, shown.good(refused)):
        parts.add(hand)
        found.append(keys)
        done += read
        progress("impressions read", done, shown.rows)
    return np.concatenate(found)


def _keys(rows: pa.Table) -> Keys:
    return text_keys(rows["impression_id"])
