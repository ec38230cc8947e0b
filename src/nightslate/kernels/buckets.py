"""User buckets: into how many shares the users of every table are dealt, by the first bits of a pseudonym."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints, Keys
from nightslate.core.hashing import hex_to_uint64, mix

_HEAD = 16
"""Characters of a pseudonym, which is hexadecimal."""


def user_keys(rows: pa.Table) -> Keys:
    """(n,) the first 64 bits of each user's pseudonym."""
    heads = pc.binary_slice(rows["user_id"].cast(pa.binary()), 0, _HEAD).cast(pa.binary(_HEAD))
    of_equal_length = heads.combine_chunks()  # so that numpy reads them where they lie
    texts = np.frombuffer(of_equal_length.buffers()[1], dtype=f"S{_HEAD}")
    return hex_to_uint64(texts[of_equal_length.offset :][: rows.num_rows])


def buckets_of(rows: pa.Table, buckets: int) -> Ints:
    """(n,) the bucket of each row's user: the first 32 bits modulo their number; 0 where rows have none."""
    if "user_id" not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.int64)
    return ((user_keys(rows) >> np.uint64(32)) % np.uint64(buckets)).astype(np.int64)


def text_keys(texts: pa.Array) -> Keys:
    """(n,) a key of the bytes of each text, to deal them out by. Equal texts have equal keys; others may."""
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy().astype(np.int64)
    keys, filled = np.zeros(len(texts), dtype=np.uint64), np.flatnonzero(lengths)
    if filled.size:
        starts = np.cumsum(lengths) - lengths
        contents = np.frombuffer(b"".join(texts.drop_null().cast(pa.binary()).to_pylist()), dtype=np.uint8)
        place = np.arange(contents.size) - np.repeat(starts, lengths)
        keys[filled] = np.add.reduceat(
            mix(contents.astype(np.uint64), place.astype(np.uint64)), starts[filled]
        )
    return keys


def dealt_out(rows: pa.Table, part_of: Ints) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each part, those of one in the order that they have."""
    order = np.argsort(part_of, kind="stable")
    ends = np.flatnonzero(np.diff(part_of[order])) + 1
    for at in np.split(order, ends) if len(order) else ():
        yield int(part_of[at[0]]), rows.take(pa.array(at))
