"""Landing files of a day into accepted rows and quarantine, in two passes: file by file, then bucket by
bucket, where rows meet those that share their key, and what the rest of the warehouse says about them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Ints
from nightslate.kernels.buckets import buckets_of, dealt_out, text_keys
from nightslate.kernels.conform import VERDICT, Conformer
from nightslate.kernels.duplicates import Duplicates, in_several_buckets
from nightslate.kernels.landing_columns import read
from nightslate.kernels.verdicts import rejected
from nightslate.records.chunks import UnusableFileError

_SPOOLED_IN_MEMORY = 16 << 20

Part = tuple[str, int]
"""What is exchanged: `rows` of a bucket that break no clause, `keys` of some of them, `rejects`."""

REJECTS: Part = ("rejects", 0)


@dataclass(frozen=True)
class OfFile:
    """The first pass."""

    conformer: Conformer
    buckets: int

    def __call__(self, path: Path) -> Iterator[tuple[Part, pa.Table]]:
        """The rows of a file by bucket, each with its verdict, and their keys, which rows elsewhere may
        share. A row that breaks the contract is rejected; a file that can't be read costs all of its rows."""
        for rows in self._conformed(path):
            sound = rows["_reason"].is_null()
            yield REJECTS, rows.filter(pc.invert(sound))
            accepted = rows.filter(sound)
            bucket_of = buckets_of(accepted, self.buckets)
            for bucket, mine in dealt_out(accepted, bucket_of):
                yield ("rows", bucket), mine
            if self.keys_may_be_elsewhere:
                yield from self._keys(accepted, bucket_of)

    @property
    def keys_may_be_elsewhere(self) -> bool:
        """Whether rows of one key may be of several users: not where the user is in the key, or nowhere."""
        contract = self.conformer.contract
        return "user_id" not in contract.key and any(c.name == "user_id" for c in contract.columns)

    def _keys(self, rows: pa.Table, bucket_of: Ints) -> Iterator[tuple[Part, pa.Table]]:
        key = list(self.conformer.contract.key)
        keys = rows.select(key).append_column("bucket", pa.array(bucket_of, pa.int32()))
        part_of = (text_keys(keys[key[0]].combine_chunks()) % np.uint64(self.buckets)).astype(np.int64)
        for part, mine in dealt_out(keys, part_of):
            yield ("keys", part), mine

    def _conformed(self, path: Path) -> Iterator[pa.Table]:
        """Hands nothing on before the whole file was read: damage at its end costs the rows before it too."""
        conformer = self.conformer
        with tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY) as spool:
            try:
                with pa.ipc.new_stream(spool, conformer.schema()) as stream:
                    for chunk in read(path, conformer.contract.landing_columns):
                        stream.write_table(conformer(chunk, path.name))
            except UnusableFileError as error:
                yield conformer.rejected_file(path.name, error.reason, error.clause)
            else:
                spool.seek(0)
                for batch in pa.ipc.open_stream(spool):
                    yield pa.Table.from_batches([batch])


def in_several(keys: pa.Table, conformer: Conformer) -> pa.Table:
    """Of the keys that rows have those which are in several buckets."""
    return in_several_buckets(keys, conformer.contract.key)


@dataclass(frozen=True)
class OfBucket:
    """The second pass. `conflicts`: the keys of rows that contradict rows of other buckets."""

    conformer: Conformer
    conflicts: pa.Table

    def __call__(self, rows: pa.Table, complete: Callable[[pa.Table], pa.Table] | None = None) -> Accepted:
        """All rows of a bucket that break no clause. Exact copies of a row count once; rows that share a key
        but differ are all rejected, for none is the right one. complete: fills in what landing rows may leave
        out, and rejects a row by setting `_reason` and `_clause`."""
        contract = self.conformer.contract
        names = [column.name for column in contract.landing_columns]
        found = Duplicates.among(rows.select(names), contract.key, self.conflicts)
        rejects = [self._rejected(rows, found.conflicting)]
        left = rows.filter(pa.array(~found.copies & ~found.conflicting))
        if complete and left.num_rows:
            left = complete(left)
            broken = left["_reason"].is_valid()
            rejects.append(self._with_row(left.filter(broken)))
            left = left.filter(pc.invert(broken))
        return Accepted(left.select(names), pa.concat_tables(rejects), int(found.copies.sum()))

    def _rejected(self, rows: pa.Table, conflicting: Bools) -> pa.Table:
        clause = f"rows with the same {', '.join(self.conformer.contract.key)} are equal"
        mine = rows.filter(pa.array(conflicting))
        return self._with_row(rejected(mine, mine["_reason"].is_null(), "conflicting_duplicate", clause))

    def _with_row(self, rows: pa.Table) -> pa.Table:
        names = [column.name for column in self.conformer.contract.landing_columns]
        at = rows.schema.get_field_index("_row")
        return rows.set_column(at, rows.schema.field(at), as_json(rows.select(names)))


@dataclass(frozen=True)
class Accepted:
    """`rows`: the contract's landing columns of those that were accepted. `rejects`: as `OfFile` has them.
    `copies`: how many exact copies were dropped."""

    rows: pa.Table
    rejects: pa.Table
    copies: int


def quarantined(rejects: pa.Table, log: str) -> pa.Table:
    """Rejects as quarantine has them, without ds."""
    names = {"_reason": "reason", "_clause": "clause", "_row": "row", "_digest": "row_digest"}
    names |= {"_file": "file", "_number": "row_number"}
    rows = rejects.select(list(VERDICT)).rename_columns([names[name] for name in VERDICT])
    return rows.append_column("log", pa.repeat(log, rows.num_rows))


def is_whole_file(rejects: pa.Table) -> Bools:
    """(n,) which rejects stand for a file that can't be loaded."""
    none = pc.and_(rejects["_row"].is_null(), rejects["_digest"].is_null())
    return np.asarray(none.to_numpy(zero_copy_only=False), dtype=np.bool_)


def as_json(rows: pa.Table) -> pa.Array:
    """(n,) whole rows, in the form that quarantine keeps; what has no value is left out."""
    texts = [
        json.dumps({name: value for name, value in row.items() if value is not None}, default=_as_text)
        for row in rows.to_pylist()
    ]
    return pa.array(texts, pa.string())


def _as_text(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
