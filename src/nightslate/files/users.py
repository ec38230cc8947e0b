"""Users of a file, and rows of theirs dealt into parts of few users each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Int16s, Ints
from nightslate.core.hashing import deal, seed
from nightslate.files.hashes import text_keys
from nightslate.files.rejected_rows import BadRow
from nightslate.files.rows import Files, where
from nightslate.files.text_index import TextIndex
from nightslate.files.user_parts import Hand, Parts

ROW = "row"
"""The number of a row in its file: what two copies may differ in."""

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
        """Users, each once; rows: of all files that are gone through, which say how many parts there are."""
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
