"""The impressions of users with outcomes, in parts of the users, each impression once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Keys
from nightslate.files.attribution.copies import DIFFERS, among, copies, repeated
from nightslate.files.attribution.histories import Impressions
from nightslate.files.hashes import text_keys
from nightslate.files.large import BATCH_ROWS
from nightslate.files.progress import Progress
from nightslate.files.rejected_rows import Refused
from nightslate.files.threads import in_order
from nightslate.files.user_parts import Hand, Parts
from nightslate.files.users import Users


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
            clashes = self.users.bad(rows, shown.file.files, reason, "impression_id")
            refused.add(shown.file.path, clashes)
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
        progress("impressions read", done, shown.file.count)
    return np.concatenate(found)


def _keys(rows: pa.Table) -> Keys:
    return text_keys(rows["impression_id"])
