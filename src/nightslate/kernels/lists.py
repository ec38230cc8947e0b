"""Ids as places in a list of them, and columns of lists of equal length as matrices."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints


def matrix(lists: pa.ChunkedArray) -> AnyArray:
    """(n, length): lists of numbers, all of one length, as the rows of a matrix; of no lists (0, 0)."""
    return _in_rows(np.asarray(pc.list_flatten(lists).to_numpy(zero_copy_only=False)), len(lists))


def in_lists(values: pa.Array, length: int) -> pa.Array:
    """Flat values as lists of equal length; of a matrix's rows the lists that `matrix` takes apart."""
    offsets = pa.array(np.arange(0, len(values) + 1, length, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, values)


def codes(lists: pa.ChunkedArray, ids: pa.Array) -> Ints:
    """(n, length): lists of ids, all of one length, as places in `ids`; one past the last for any other.
    Of no lists (0, 0)."""
    return _in_rows(places(pc.list_flatten(lists), ids), len(lists))


def items(lists: pa.ChunkedArray) -> pa.Array:
    """The ids in all of the lists, one after another, none of them coded."""
    ids = pc.list_flatten(lists).combine_chunks()
    return ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids


def places(values: pa.ChunkedArray, ids: pa.Array) -> Ints:
    """(n,): each value as its place in `ids`; one past the last for any other and for null."""
    found = place_in(values, ids)
    return np.where(found < 0, len(ids), found)


def place_in(values: pa.ChunkedArray | pa.Array, ids: pa.Array) -> Ints:
    """(n,): each value as its place in `ids`; -1 for any other and for null. Of what is coded each value is
    looked up once."""
    if not pa.types.is_dictionary(values.type):
        return np.asarray(pc.fill_null(pc.index_in(values, ids), -1), dtype=np.int64)
    coded = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    of_code = np.append(place_in(coded.dictionary, ids), -1)
    codes: Ints = np.asarray(pc.fill_null(coded.indices, len(coded.dictionary)))
    return of_code.take(codes)


def marked(lists: pa.Array, places: Ints, width: int) -> Bools:
    """(n, width): which places each list names; all of them where it is null. `places` are those of the
    flattened values, and `width` stands for any value that has none."""
    marks = np.zeros((len(lists), width + 1), dtype=np.bool_)
    marks[pc.list_parent_indices(lists).to_numpy(), places] = True
    marks[lists.is_null().to_numpy(zero_copy_only=False)] = True
    return marks[:, :width]


def listed(values: pa.Array, marks: Bools) -> pa.Array:
    """(n,) lists: of each row of `marks` (n, width) as many of the flat values as it marks."""
    offsets = np.append(0, np.cumsum(marks.sum(axis=1))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def mapped(column: pa.ChunkedArray) -> tuple[Ints, pa.Array, Floats]:
    """Of maps of texts to numbers all entries, one after another: the row (m,), the text and the number (m,)
    of each. A null has none."""
    maps = column.combine_chunks()
    ends = np.asarray(maps.offsets)
    row = np.repeat(np.arange(ends.size - 1), np.diff(ends))
    at = slice(ends[0], ends[-1])
    return row, maps.keys[at], np.asarray(maps.items[at])


def maps(row: Ints, text: pa.Array, number: Floats, rows: int) -> pa.MapArray:
    """The column that `mapped` takes apart: entries in the order of their rows (m,)."""
    offsets = np.append(0, np.cumsum(np.bincount(row, minlength=rows)))
    return pa.MapArray.from_arrays(pa.array(offsets.astype(np.int32)), text, pa.array(number))


def _in_rows(flat: AnyArray, rows: int) -> AnyArray:
    return flat.reshape(rows, -1 if rows else 0)
