"""Columns of numbers: of any numeric type, decimals, booleans as 0 and 1, or text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.records.chunks import Wrong
from nightslate.records.values import Values, mask, plain, plain_type, unfit, without

NOT_A_NUMBER = Wrong("wrong_type", "is not a number")
NOT_WHOLE = Wrong("wrong_type", "is not a whole number")

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_TRUE, _FALSE = r"^(?i:true)$", r"^(?i:false)$"


def are_numbers(kind: pa.DataType) -> bool:
    """Whether values of a type can be numbers."""
    kind = plain_type(kind)
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_null(kind)
    )


def numbers(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) float64, which may be NaN or infinite; of text, empty is no value."""
    values = plain(values)
    if pa.types.is_string(values.type):
        return _of_text(values)
    if not are_numbers(values.type):
        return unfit(values, pa.float64(), NOT_A_NUMBER)
    return Values(pc.cast(values, pa.float64(), safe=False))


def whole_numbers(values: pa.Array | pa.ChunkedArray, wanted: pa.DataType) -> Values:
    """(n,) of an integer type `wanted`: whole numbers that it holds."""
    values = plain(values)
    if pa.types.is_integer(values.type):
        return _within(values, wanted)
    found = numbers(values)
    each = np.asarray(found.array.cast(pa.float64()), dtype=np.float64)  # NaN where there is none
    limits = np.iinfo(wanted.to_pandas_dtype())
    with np.errstate(invalid="ignore"):
        fits = (
            (each == np.floor(each)) & (each >= limits.min) & (each <= limits.max) & (np.abs(each) < 2.0**53)
        )
    wrong = mask(pc.is_valid(found.array)) & ~fits
    array = pc.cast(without(found.array, wrong), wanted)
    return Values(array, (*found.faults, (wrong, NOT_WHOLE)))


def _within(values: pa.Array, wanted: pa.DataType) -> Values:
    try:
        return Values(values.cast(wanted))
    except pa.ArrowInvalid:
        limits = np.iinfo(wanted.to_pandas_dtype())
        low, high = (pa.scalar(int(limit)).cast(pa.decimal128(20)) for limit in (limits.min, limits.max))
        exact = values.cast(pa.decimal128(20))
        wrong = mask(pc.or_(pc.less(exact, low), pc.greater(exact, high)))
        return Values(without(values, wrong).cast(wanted), ((wrong, NOT_WHOLE),))


def _of_text(values: pa.Array) -> Values:
    none = pa.scalar(None, pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), none, trimmed)
    is_number = pc.match_substring_regex(trimmed, _NUMBER)
    if not pc.all(is_number).as_py():
        for pattern, digit in ((_TRUE, "1"), (_FALSE, "0")):
            trimmed = pc.if_else(pc.match_substring_regex(trimmed, pattern), digit, trimmed)
        is_number = pc.match_substring_regex(trimmed, _NUMBER)
    wrong: Bools = mask(pc.invert(is_number))
    return Values(pc.cast(without(trimmed, wrong), pa.float64()), ((wrong, NOT_A_NUMBER),))
