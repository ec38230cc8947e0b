"""Rows that share a key: copies, of which one counts, or rows that contradict one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Ints


@dataclass(frozen=True, eq=False)
class Duplicates:
    """copies (n,): rows that equal one before them with their key. conflicting (n,): rows whose key another
    row has that differs; then none with that key is the right one."""

    copies: Bools
    conflicting: Bools

    @classmethod
    def among(cls, rows: pa.Table, key: Sequence[str], conflicts: pa.Table) -> Duplicates:
        """Those among rows; `conflicts` has the keys of some that differ from rows elsewhere."""
        number = _numbers(rows, key)
        _, first, key_of = np.unique(number, return_index=True, return_inverse=True)
        conflicting = np.zeros(first.size, dtype=np.bool_)
        again = np.flatnonzero(first[key_of] != np.arange(key_of.size))
        if again.size:
            differ = _differ(rows.take(pa.array(again)), rows.take(pa.array(first[key_of[again]])))
            np.logical_or.at(conflicting, key_of[again], differ)
        conflicting = conflicting[key_of] | _named(rows, key, conflicts)
        copies = np.zeros(key_of.size, dtype=np.bool_)
        copies[again] = True
        return cls(copies & ~conflicting, conflicting)


def in_several_buckets(keys: pa.Table, key: Sequence[str]) -> pa.Table:
    """The keys, once, that rows of several buckets have, which are rows of several users. keys: of all rows,
    and their `bucket`."""
    counted = keys.group_by(list(key), use_threads=False).aggregate([("bucket", "min"), ("bucket", "max")])
    return counted.filter(pc.not_equal(counted["bucket_min"], counted["bucket_max"])).select(list(key))


def _named(rows: pa.Table, key: Sequence[str], keys: pa.Table) -> Bools:
    """(n,) whether a row has one of the keys."""
    if not keys.num_rows:
        return np.zeros(rows.num_rows, dtype=np.bool_)
    both = pa.concat_tables([keys.select(list(key)), rows.select(list(key))])
    number = _numbers(both, key)
    return np.isin(number[keys.num_rows :], number[: keys.num_rows])


def _numbers(rows: pa.Table, key: Sequence[str]) -> Ints:
    """(n,) equal numbers for equal keys, among these rows."""
    number = np.zeros(rows.num_rows, dtype=np.int64)
    for name in key:
        encoded = rows[name].combine_chunks().dictionary_encode()
        of_all = number * (len(encoded.dictionary) + 1) + np.asarray(pc.fill_null(encoded.indices, -1)) + 1
        number = np.unique(of_all, return_inverse=True)[1].astype(np.int64) if len(key) > 1 else of_all
    return number


def _differ(rows: pa.Table, others: pa.Table) -> Bools:
    """(n,) whether a row and the other in its place differ anywhere."""
    differ: Bools = np.zeros(rows.num_rows, dtype=np.bool_)
    for name in rows.column_names:
        differ |= _values_differ(rows[name].combine_chunks(), others[name].combine_chunks())
    return differ


def _values_differ(ours: pa.Array, theirs: pa.Array) -> Bools:
    """(n,) whether values in the same place differ; null equals null, and numbers are equal in all bits."""
    is_there = [np.asarray(values.is_valid(), dtype=np.bool_) for values in (ours, theirs)]
    differ: Bools = np.not_equal(*is_there)
    at = np.flatnonzero(is_there[0] & is_there[1])
    ours, theirs = ours.take(pa.array(at)), theirs.take(pa.array(at))
    if pa.types.is_list(ours.type):
        differ[at] = _lists_differ(ours, theirs)
    elif pa.types.is_floating(ours.type):
        bits = (np.asarray(values).view(f"i{values.type.bit_width // 8}") for values in (ours, theirs))
        differ[at] = np.not_equal(*bits)
    else:
        differ[at] = np.asarray(pc.not_equal(ours, theirs), dtype=np.bool_)
    return differ


def _lists_differ(ours: pa.Array, theirs: pa.Array) -> Bools:
    """(n,) of lists, none of which is null."""
    lengths = pc.list_value_length(ours).to_numpy()
    differ: Bools = np.asarray(np.not_equal(lengths, pc.list_value_length(theirs).to_numpy()), np.bool_)
    alike = np.flatnonzero(~differ)
    items = [lists.take(pa.array(alike)).flatten() for lists in (ours, theirs)]
    row = np.repeat(alike, lengths[alike])
    np.logical_or.at(differ, row, _values_differ(*items))
    return differ
