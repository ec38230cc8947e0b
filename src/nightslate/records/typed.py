"""A column of a file as its contract wants it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import Column
from nightslate.contracts import arrow as arrow_contracts
from nightslate.records.booleans import booleans
from nightslate.records.ids import are_ids, ids
from nightslate.records.instants import are_instants, instants
from nightslate.records.lists import are_id_lists, id_lists
from nightslate.records.numbers import are_numbers, numbers, whole_numbers
from nightslate.records.values import Values

_CAN_BE: dict[str, Callable[[pa.DataType], bool]] = {
    "string": are_ids,
    "int": are_numbers,
    "bigint": are_numbers,
    "float": are_numbers,
    "double": are_numbers,
    "boolean": are_numbers,
    "timestamp": are_instants,
    "array<string>": are_id_lists,
}


def can_be(kind: pa.DataType, column: Column) -> bool:
    """Whether values of a file's type can be what the column is."""
    return _CAN_BE[column.type](kind)


def typed(values: pa.Array | pa.ChunkedArray, column: Column, pointed: bool = False) -> Values:
    """(n,) of the column's type; pointed as in `ids`."""
    wanted = arrow_contracts.type_of(column)
    if column.type == "string":
        return ids(values, pointed)
    if column.type in ("int", "bigint"):
        return whole_numbers(values, wanted)
    if column.type == "boolean":
        return booleans(values)
    if column.type == "timestamp":
        return instants(values)
    if column.type == "array<string>":
        found = id_lists(values)
        return Values(found.array.cast(wanted), found.faults)
    found = numbers(values)
    return Values(pc.cast(_rounded(found.array, column), wanted, safe=False), found.faults)


def _rounded(values: pa.Array, column: Column) -> pa.Array:
    """What is over the maximum by no more than rounding explains is the maximum."""
    if not column.rounding or column.maximum is None:
        return values
    over = pc.and_(
        pc.greater(values, column.maximum), pc.less_equal(values, column.maximum + column.rounding)
    )
    return pc.if_else(pc.fill_null(over, False), pa.scalar(column.maximum, values.type), values)
