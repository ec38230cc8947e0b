"""Columns of lists, such as a slate's candidates and their weights; what is none makes its row a bad one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Ints
from nightslate.files.bad_rows import BadRows

_IDS, _NUMBERS = pa.string(), pa.float64()
_KINDS = {_IDS: "ids", _NUMBERS: "numbers"}


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

    def coded(self, ids: pa.Array, unknown: float) -> Lists:
        """Ids as their places in `ids`, any other as `unknown`."""
        places = pc.fill_null(pc.cast(pc.index_in(self.values, ids), _NUMBERS), unknown)
        return Lists(places.to_numpy(zero_copy_only=False), self.lengths)

    def widest(self, rows: slice) -> int:
        """The length of the longest list among some rows."""
        return int(self.lengths[rows].max(initial=0))


def id_lists(table: pa.Table, name: str, bad: BadRows) -> Lists:
    """A column of lists of ids, text or whole numbers, as text."""
    return Lists(*_lists(table[name], name, _IDS, bad))


def number_lists(table: pa.Table, name: str, bad: BadRows) -> Lists:
    """A column of lists of numbers as float64."""
    values, lengths = _lists(table[name], name, _NUMBERS, bad)
    return Lists(values.to_numpy(zero_copy_only=False), lengths)


def with_lists(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with these columns as lists where they are JSON arrays in text, as in CSV."""
    for name in names:
        if pa.types.is_string(table[name].type):
            cells = [json.loads(cell) for cell in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(cells))
    return table


def _lists(column: pa.ChunkedArray, name: str, item: pa.DataType, bad: BadRows) -> tuple[pa.Array, Ints]:
    bad.blame(pc.is_null(column).to_numpy(), f"{name} is missing")
    if _holds(column.type, item):
        found = column.cast(pa.list_(item)).combine_chunks()
    else:
        found = pa.array([_list(value, item) for value in column.to_pylist()], pa.list_(item))
    holed = np.zeros(len(found), dtype=np.bool_)
    gaps = pc.list_parent_indices(found).filter(pc.is_null(pc.list_flatten(found)))
    holed[gaps.to_numpy()] = True
    holed |= pc.is_null(found).to_numpy(zero_copy_only=False)
    bad.blame(holed, f"{name} is not a list of {_KINDS[item]}")
    found = pc.if_else(pa.array(holed), pa.scalar(None, found.type), found)
    lengths = pc.fill_null(pc.list_value_length(found), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return pc.list_flatten(found), lengths


def _holds(kind: pa.DataType, item: pa.DataType) -> bool:
    """Whether a column of this type has lists of such items only."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    of, types = kind.value_type, pa.types
    if item == _NUMBERS:
        return bool(types.is_integer(of) or types.is_floating(of) or types.is_decimal(of))
    return bool(types.is_integer(of) or types.is_string(of) or types.is_large_string(of))


def _list(value: Any, item: pa.DataType) -> list[Any] | None:
    """A list, or a JSON array in text, if its items are of this type."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list):
        return None
    kinds = (int, float) if item == _NUMBERS else (int, str)
    if any(isinstance(each, bool) or not isinstance(each, kinds) for each in value):
        return None
    return [float(each) if item == _NUMBERS else str(each) for each in value]
