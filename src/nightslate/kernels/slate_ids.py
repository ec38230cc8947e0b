"""What a slate is called: a hash of all that determines it, so that the same row has the same id on every
run."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints, Keys
from nightslate.core.hashing import mix
from nightslate.kernels.lists import codes, items, matrix
from nightslate.kernels.show_times import COLUMNS

_SHARED = ("issue", "variant", "policy", "model_digest", "candidates", "groups", "penalty")
"""What many slates have in common."""
_OWN = ("user_id", "weights", "ranking", "issue_probability", *COLUMNS)


def slate_ids(slates: pa.Table, program: str, slate_date: date) -> pa.Array:
    """(n,) the SHA-256 of each slate's program and date, of what it shares with others as JSON, then of its
    user, its weights, its ranking by places among the candidates and, if it has one, its issue's probability,
    as bytes in little-endian order, and of the times at which it may be shown, where there are such, as JSON
    in microseconds. Lists of one slate are as long as the contract says; those of others may be of another
    length."""
    ids = np.empty(slates.num_rows, dtype=object)
    for at in _alike(slates):
        shared, own = slates.select(_SHARED).take(pa.array(at[:1])), slates.select(_OWN).take(pa.array(at))
        ids[at] = _ids(shared, own, program, slate_date)
    return pa.array(ids, pa.string())


def ids_of_alike(slates: pa.Table, program: str, slate_date: date) -> pa.Array:
    """The same (n,) of one slate or more that share all but what each has for itself."""
    ids = _ids(slates.select(_SHARED).slice(0, 1), slates.select(_OWN), program, slate_date)
    return pa.array(ids, pa.string())


def _ids(shared: pa.Table, own: pa.Table, program: str, slate_date: date) -> list[str]:
    head, ids = sha256(_head(shared, program, slate_date)), []
    for content in _contents(shared, own):
        one = head.copy()
        one.update(content)
        ids.append(one.hexdigest())
    return ids


def _head(shared: pa.Table, program: str, slate_date: date) -> bytes:
    (values,) = shared.to_pylist()
    return json.dumps([program, slate_date.isoformat(), *values.values()]).encode() + b"\0"


def _contents(shared: pa.Table, rows: pa.Table) -> Iterator[bytes]:
    """What each of some slates that share the rest has for itself."""
    candidates = items(shared["candidates"])
    users = rows["user_id"].to_pylist()
    weights = matrix(rows["weights"]).astype("<f4")
    ranking = codes(rows["ranking"], candidates).astype("<i4")
    chances, times = rows["issue_probability"].to_pylist(), _times(rows)
    for user, weight, ranked, chance, shown in zip(users, weights, ranking, chances, times, strict=True):
        drawn = b"" if chance is None else struct.pack("<d", chance)
        yield user.encode() + b"\0" + weight.tobytes() + ranked.tobytes() + drawn + shown


def _times(rows: pa.Table) -> Iterator[bytes]:
    """Of each row the times at which it may be shown; nothing where it may be at any time."""
    columns = [rows[name] for name in COLUMNS]
    if all(column.null_count == rows.num_rows for column in columns):
        yield from repeat(b"", rows.num_rows)
        return
    whole = pa.list_(pa.int64())
    for ends in zip(*(column.cast(whole).to_pylist() for column in columns), strict=True):
        yield b"\0" + json.dumps(ends).encode() if ends != (None, None) else b""


def _alike(slates: pa.Table) -> Iterator[Ints]:
    """The places of slates that share all of `_SHARED`, and the lengths of their lists."""
    if not slates.num_rows:
        return
    key = np.zeros(slates.num_rows, dtype=np.uint64)
    for name in ("issue", "variant", "policy", "model_digest", "penalty"):
        key = mix(key, _numbers(slates[name]))
    for name in ("candidates", "groups", "weights", "ranking"):
        lists = slates[name].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(lists), -1).to_numpy().astype(np.int64)
        key = mix(key, lengths.astype(np.uint64))
        if name in ("candidates", "groups"):
            key = _with_lists(key, lists, np.maximum(lengths, 0))
    _, group = np.unique(key, return_inverse=True)
    order = np.argsort(group, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _with_lists(key: Keys, lists: pa.Array, lengths: Ints) -> Keys:
    """The keys, and of each row the sum of its list's items, each hashed with its place. A row has mostly the
    list of the row before, which is then not summed again."""
    listed, starts = _numbers(pa.chunked_array([pc.list_flatten(lists)])), np.cumsum(lengths) - lengths
    same = np.append(False, lengths[1:] == lengths[:-1])[: lengths.size]
    filled = np.flatnonzero(lengths)
    if filled.size:
        before = np.arange(listed.size) - np.repeat(lengths, lengths)
        same[filled] &= ~np.logical_or.reduceat(listed != listed[before], starts[filled])
    new = np.flatnonzero(~same)
    number = np.repeat(np.arange(new.size), lengths[new])
    place = np.arange(number.size) - np.repeat(np.cumsum(lengths[new]) - lengths[new], lengths[new])
    sums = np.zeros(new.size, dtype=np.uint64)
    np.add.at(sums, number, mix(listed[starts[new][number] + place], place.astype(np.uint64)))
    return mix(key, sums[np.cumsum(~same) - 1])


def _numbers(values: pa.ChunkedArray) -> Keys:
    """(n,) equal numbers for equal values, among these; null has one, too."""
    coded = values.combine_chunks()
    if not pa.types.is_dictionary(values.type):
        coded = coded.dictionary_encode()
    return np.asarray(pc.fill_null(coded.indices, len(coded.dictionary)), dtype=np.uint64)
