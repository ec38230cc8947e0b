"""Columns of a file as numbers and ids; what is neither makes its row a bad one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.estimators.sample import CLOSED, OPEN_BELOW
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.hashes import text_keys

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_EXACT = 2.0**53


def require(table: pa.Table, names: Sequence[str]) -> None:
    """Raise ContractError unless all these columns are there; it names those that are, and the nearest."""
    missing = [name for name in names if name not in table.column_names]
    if missing:
        others = [name for name in table.column_names if name not in names]
        near = [name for m in missing for name in difflib.get_close_matches(m, others, n=1)]
        hint = f"; is {' and '.join(near)} what is meant?" if near else ""
        raise ContractError(
            f"the file has no column {' and '.join(missing)}; it has {', '.join(table.column_names)}{hint}"
        )


def numbers(table: pa.Table, name: str, bad: BadRows) -> Floats:
    """(n,) a column of numbers; 1 stands where its row is bad. A probability must be in its range."""
    column = _plain(table[name])
    if pa.types.is_string(column.type):
        column, is_text = _parsed(column)
        bad.blame(is_text, f"{name} is not a number")
    elif not (_is_number(column.type) or pa.types.is_null(column.type)):
        bad.blame(_mask(pc.is_valid(column)), f"{name} is not a number")
        column = pa.nulls(len(column), pa.float64())
    bad.blame(_mask(pc.is_null(column)), f"{name} is missing")
    values = np.asarray(pc.cast(column, pa.float64(), safe=False)).copy()  # NaN where there is none
    bad.blame(~np.isfinite(values), f"{name} is not finite")
    if name in OPEN_BELOW:
        bad.blame(~((values > 0) & (values <= 1)), f"{name} is not in (0, 1]")
    if name in CLOSED:
        bad.blame(~((values >= 0) & (values <= 1)), f"{name} is not in [0, 1]")
    values[~bad.good] = 1.0
    return np.asarray(values)


@dataclass(frozen=True)
class Ids:
    """A column of ids: the place of each row's among the distinct ones, (n,), and these as text."""

    places: Ints
    distinct: pa.StringArray

    @property
    def keys(self) -> Keys:
        """(n,) a key for each row, the hash of its id's text: 7 has that of "7"."""
        return np.asarray(text_keys(pa.chunked_array([self.distinct]))[self.places])

    @property
    def names(self) -> list[str]:
        """The distinct ids."""
        return list(self.distinct.to_pylist())


def ids(table: pa.Table, name: str, bad: BadRows) -> Ids:
    """A column of text or whole numbers that say who or what; a missing one makes its row bad."""
    encoded = pc.dictionary_encode(texts(table, name, bad)).combine_chunks()
    return Ids(np.asarray(encoded.indices, dtype=np.int64), encoded.dictionary)


def texts(table: pa.Table, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) a column of ids as text; empty where its row is bad, because it has none."""
    column = _plain(table[name])
    bad.blame(_mask(pc.is_null(column)), f"{name} is missing")
    if pa.types.is_floating(column.type):
        column = _whole(column, name, bad)
    try:
        return pc.fill_null(pc.cast(column, pa.string()), "")
    except pa.ArrowException as error:
        raise ContractError(f"{name} is {column.type}: ids are text or whole numbers") from error


def _whole(column: pa.ChunkedArray, name: str, bad: BadRows) -> pa.ChunkedArray:
    """Ids that a file has as floating point numbers, such as a column with missing values: they are whole."""
    values = np.asarray(pc.cast(column, pa.float64()))  # NaN where there is none
    is_whole = (np.abs(values) < _EXACT) & (values == np.floor(values))
    bad.blame(~is_whole, f"{name} is not text or a whole number")
    return pa.chunked_array([np.where(is_whole, values, 0.0).astype(np.int64)])


def _parsed(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Bools]:
    """Text as numbers, nulls where it is none, and (n,) where that is because it is something else."""
    trimmed = pc.utf8_trim_whitespace(column)
    trimmed = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    is_number = pc.match_substring_regex(trimmed, _NUMBER)
    parsed = pc.cast(pc.if_else(is_number, trimmed, pa.scalar(None, pa.string())), pa.float64())
    return parsed, _mask(pc.fill_null(pc.invert(is_number), False))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary and without long offsets."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return column


def _is_number(kind: pa.DataType) -> bool:
    is_kind = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(is_this(kind) for is_this in is_kind)


def _mask(flags: pa.ChunkedArray) -> Bools:
    return np.asarray(flags, dtype=np.bool_)
