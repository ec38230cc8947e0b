"""Which rows a condition holds for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.programs.conditions import Both, Comparison, Condition, Either, Not

_COMPARED: Mapping[str, Callable[..., pa.ChunkedArray]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def holding(rows: pa.Table, condition: Condition) -> pa.ChunkedArray:
    """(n,) whether it holds; null where a value is missing that would decide it, as in SQL."""
    match condition:
        case Comparison(column, ("in" | "not in") as how, tuple(values)):
            found = _decoded(rows[column])
            among = pc.is_in(found, value_set=pa.array(values, found.type))
            among = pc.if_else(found.is_valid(), among, None)
            return among if how == "in" else pc.invert(among)
        case Comparison(column, how, value):
            return _COMPARED[how](rows[column], pa.scalar(value, rows[column].type))
        case Not(part):
            return pc.invert(holding(rows, part))
        case Both(parts):
            return reduce(pc.and_kleene, (holding(rows, part) for part in parts))
        case Either(parts):
            return reduce(pc.or_kleene, (holding(rows, part) for part in parts))


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values, where texts are read as places in a dictionary of them."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
