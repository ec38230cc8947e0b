"""What a slate is called: a hash of all that determines it, so that the same row has the same id on every
run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints, Keys
from nightslate.core.hashing import mix
from nightslate.kernels.lists import codes, matrix

_SHARED = ("issue", "variant", "policy", "model_digest", "candidates", "groups", "penalty")
"""What many slates have in common."""


def slate_ids(slates: pa.Table, program: str, slate_date: date) -> pa.Array:
    """(n,) the SHA-256 of each slate's program and date, of what it shares with others as JSON, then of its
    user, its weights and its ranking by places among the candidates, as bytes in little-endian order. Lists
    of one slate are as long as the contract says; those of others may be of another length."""
    ids = np.empty(slates.num_rows, dtype=object)
    for at in _alike(slates):
        rows = slates.take(pa.array(at))
        head = sha256(_head(rows, program, slate_date))
        for place, content in zip(at.tolist(), _contents(rows), strict=True):
            one = head.copy()
            one.update(content)
            ids[place] = one.hexdigest()
    return pa.array(ids, pa.string())


def _head(rows: pa.Table, program: str, slate_date: date) -> bytes:
    shared = rows.select(list(_SHARED)).slice(0, 1).to_pylist()[0]
    return json.dumps([program, slate_date.isoformat(), *shared.values()]).encode() + b"\0"


def _contents(rows: pa.Table) -> Iterator[bytes]:
    """What each of some slates that share the rest has for itself."""
    candidates = pc.list_flatten(rows["candidates"].slice(0, 1)).combine_chunks()
    users = rows["user_id"].to_pylist()
    weights = matrix(rows["weights"]).astype("<f4")
    ranking = codes(rows["ranking"], candidates).astype("<i4")
    for user, weight, ranked in zip(users, weights, ranking, strict=True):
        yield user.encode() + b"\0" + weight.tobytes() + ranked.tobytes()


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
    """The keys, and of each row the sum of its list's items, each hashed with its place."""
    items = _numbers(pa.chunked_array([pc.list_flatten(lists)]))
    place = (np.arange(items.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)).astype(np.uint64)
    sums, filled = np.zeros(lengths.size, dtype=np.uint64), np.flatnonzero(lengths)
    if filled.size:
        sums[filled] = np.add.reduceat(mix(items, place), (np.cumsum(lengths) - lengths)[filled])
    return mix(key, sums)


def _numbers(values: pa.ChunkedArray) -> Keys:
    """(n,) equal numbers for equal values, among these; null has one, too."""
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(), dtype=np.uint64)
