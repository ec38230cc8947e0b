"""Columns of lists: of any list type, or JSON arrays in text, as CSV has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.records.chunks import Wrong
from nightslate.records.ids import are_ids, ids
from nightslate.records.numbers import numbers
from nightslate.records.values import Values, is_list, mask, plain, plain_type, unfit, without

NO_IDS = Wrong("wrong_type", "is not a list of ids")
NO_NUMBERS = Wrong("wrong_type", "is not a list of numbers")


def are_id_lists(kind: pa.DataType) -> bool:
    """Whether values of a type can be lists of ids."""
    return _are_lists(kind, are_ids)


def id_lists(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) lists of ids as text, without gaps."""
    return _lists(plain(values), ids, pa.string(), NO_IDS)


def group_lists(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) lists of ids as text, null for none."""
    return _lists(plain(values), ids, pa.string(), NO_IDS, gaps=True)


def number_lists(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) lists of float64, without gaps."""
    return _lists(plain(values), _typed_numbers, pa.float64(), NO_NUMBERS)


def _are_lists(kind: pa.DataType, are_items: Callable[[pa.DataType], bool]) -> bool:
    kind = plain_type(kind)
    if is_list(kind):
        return are_items(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


def _typed_numbers(values: pa.Array | pa.ChunkedArray) -> Values:
    """Numbers that are of a numeric type: text in a list is none."""
    values = plain(values)
    if pa.types.is_string(values.type) or pa.types.is_boolean(values.type):
        return unfit(values, pa.float64(), NO_NUMBERS)
    return numbers(values)


def _lists(
    values: pa.Array,
    read: Callable[[pa.Array], Values],
    item: pa.DataType,
    wrong: Wrong,
    gaps: bool = False,
) -> Values:
    """`gaps`: whether a list may have items that are null."""
    wanted = pa.list_(item)
    if pa.types.is_null(values.type):
        return Values(values.cast(wanted))
    if pa.types.is_string(values.type):
        return _of_json(without(values, mask(pc.equal(values, ""))), read, wanted, wrong, gaps)
    if not is_list(values.type):
        return unfit(values, wanted, wrong)
    there = mask(pc.is_valid(values))
    lengths = np.where(there, np.asarray(pc.fill_null(pc.list_value_length(values), 0)), 0)
    items = pc.list_flatten(values)
    found = read(items)
    holes = mask(pc.is_null(found.array)) & (mask(pc.is_valid(items)) | (not gaps))
    holed: Bools = np.zeros(len(values), dtype=np.bool_)
    holed[np.repeat(np.arange(len(values)), lengths)[holes]] = True
    offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, found.array, mask=pa.array(~there | holed))
    return Values(lists.cast(wanted), ((holed, wrong),))


def _of_json(
    values: pa.Array, read: Callable[[pa.Array], Values], wanted: pa.DataType, wrong: Wrong, gaps: bool
) -> Values:
    lists = [_list(text) for text in values.to_pylist()]
    try:
        found = _lists(pa.array(lists), read, wanted.value_type, wrong, gaps).array
    except (pa.ArrowException, OverflowError):  # such as text beside numbers
        found = pa.array([_each(items, read, gaps) for items in lists], wanted)
    return Values(found, ((mask(pc.is_valid(values)) & ~mask(pc.is_valid(found)), wrong),))


def _list(text: str | None) -> list[Any] | None:
    try:
        found = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _each(items: list[Any] | None, read: Callable[[pa.Array], Values], gaps: bool) -> list[Any] | None:
    """The items of one list, each read alone."""
    if items is None:
        return None
    try:
        found = [read(pa.array([item])).array[0].as_py() for item in items]
    except (pa.ArrowException, OverflowError):
        return None
    holes = sum(item is None for item in found) - (sum(item is None for item in items) if gaps else 0)
    return None if holes else found
