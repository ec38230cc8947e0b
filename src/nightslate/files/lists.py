"""Columns of lists, such as a slate's candidates and their weights; what is none makes its row a bad one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Ints
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import found_column
from nightslate.files.rows import Rows
from nightslate.records import lists as records
from nightslate.records.values import Values


@dataclass(frozen=True)
class Lists:
    """A column of lists: all values end to end, and the length of each row's list, 0 where the row is bad."""

    values: AnyArray | pa.Array
    lengths: Ints

    def padded(self, rows: slice, fill: float, width: int) -> AnyArray:
        """(m, width): the lists of some rows, of numbers, filled up behind their ends."""
        lengths = self.lengths[rows]
        begin = int(self.lengths[: rows.start].sum())
        matrix = np.full((len(lengths), width), fill)
        matrix[np.arange(width) < lengths[:, None]] = self.values[begin : begin + lengths.sum()]
        return matrix

    def of_rows(self, rows: Ints, width: int) -> AnyArray:
        """(m, width): the lists of rows that have so many items."""
        begins = np.append(0, np.cumsum(self.lengths))[rows]
        return np.asarray(self.values[begins[:, None] + np.arange(width)])

    def coded(self, ids: pa.Array, unknown: float) -> Lists:
        """Ids as their places in `ids`, any other as `unknown`."""
        places = pc.fill_null(pc.cast(pc.index_in(self.values, ids), pa.float64()), unknown)
        return Lists(places.to_numpy(zero_copy_only=False), self.lengths)

    def widest(self, rows: slice) -> int:
        """The length of the longest list among some rows."""
        return int(self.lengths[rows].max(initial=0))


def id_lists(rows: Rows, name: str, bad: BadRows) -> Lists:
    """A column of lists of ids, as text."""
    return Lists(*_lists(rows, name, bad, records.id_lists))


def group_lists(rows: Rows, name: str, bad: BadRows) -> Lists:
    """A column of lists of ids, as text, null for none; empty where a row has no list."""
    return Lists(*_lists(rows, name, bad, records.group_lists, required=False))


def number_lists(rows: Rows, name: str, bad: BadRows) -> Lists:
    """A column of lists of numbers as float64."""
    values, lengths = _lists(rows, name, bad, records.number_lists)
    return Lists(values.to_numpy(zero_copy_only=False), lengths)


def with_lists(table: pa.Table, of_ids: list[str], of_numbers: list[str]) -> pa.Table:
    """The table with these columns as lists where they are JSON arrays in text, as in CSV."""
    readers = {
        **dict.fromkeys(of_ids, records.id_lists),
        **dict.fromkeys(of_numbers, records.number_lists),
    }
    for name, lists_of in readers.items():
        if pa.types.is_string(table[name].type):
            lists = lists_of(table[name]).array
            table = table.set_column(table.column_names.index(name), name, lists)
    return table


def _lists(
    rows: Rows,
    name: str,
    bad: BadRows,
    read: Callable[[pa.ChunkedArray], Values],
    required: bool = True,
) -> tuple[pa.Array, Ints]:
    found = found_column(rows, name, bad, read, required).combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(found), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return pc.list_flatten(found), lengths
