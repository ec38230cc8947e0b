"""Columns of a file as numbers and ids; what is neither makes its row a bad one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.ope.sample import CLOSED, OPEN_BELOW, ROUNDING
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.hashes import text_keys
from nightslate.files.rows import Rows
from nightslate.records.ids import are_ids
from nightslate.records.ids import ids as read_ids
from nightslate.records.instants import instants as read_instants
from nightslate.records.numbers import numbers as read_numbers
from nightslate.records.sources import other_delimiter
from nightslate.records.values import Values, mask


def require(there: Sequence[str], names: Sequence[str], file: str = "the file") -> None:
    """Raise ContractError unless all these columns are there; it names those that are, and the nearest."""
    missing = [name for name in names if name not in there]
    if missing:
        delimiter = other_delimiter(there, missing)
        others = [name for name in there if name not in names]
        near = [name for m in missing for name in difflib.get_close_matches(m, others, n=1)]
        hint = f"; is {' and '.join(near)} what is meant?" if near else ""
        if delimiter:
            hint = f": its columns are separated by {delimiter!r}, and in CSV they are separated by commas"
        raise ContractError(f"{file} has no column {' and '.join(missing)}; it has {', '.join(there)}{hint}")


def numbers(rows: Rows, name: str, bad: BadRows) -> Floats:
    """(n,) a column of numbers; 1 stands where its row is bad. A probability must be in its range; one that
    is over 1 by no more than ROUNDING is 1."""
    values = np.asarray(
        found_column(rows, name, bad, read_numbers).cast(pa.float64())
    ).copy()  # NaN where none is
    bad.blame(~np.isfinite(values), f"{name} is not finite", name)
    if name in OPEN_BELOW + CLOSED:
        values[(values > 1) & (values <= 1 + ROUNDING)] = 1.0
    if name in OPEN_BELOW:
        bad.blame(~((values > 0) & (values <= 1)), f"{name} is not in (0, 1]", name)
    if name in CLOSED:
        bad.blame(~((values >= 0) & (values <= 1)), f"{name} is not in [0, 1]", name)
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


def ids(rows: Rows, name: str, bad: BadRows) -> Ids:
    """A column of ids that say who or what; a missing one makes its row bad."""
    encoded = pc.dictionary_encode(texts(rows, name, bad)).combine_chunks()
    return Ids(np.asarray(encoded.indices, dtype=np.int64), encoded.dictionary)


def texts(rows: Rows, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) a column of ids as text; empty where its row is bad, because it has none.

    Raises ContractError where a whole column is of a type that no id has."""
    found = texts_or_none(rows, name, bad)
    bad.blame(mask(found.is_null()), f"{name} is missing")
    return pc.fill_null(found, "")


def texts_or_none(rows: Rows, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) a column of ids that need not be there in every row."""
    kinds = {chunk.rows.schema.field(name).type for chunk in rows.chunks if name in chunk.rows.column_names}
    if kinds and not any(map(are_ids, kinds)):
        raise ContractError(f"{name} is {' and '.join(map(str, kinds))}: ids are text or whole numbers")
    pointed = rows.is_pointed(name)
    return found_column(rows, name, bad, lambda values: read_ids(values, pointed), required=False)


def instants(rows: Rows, name: str, bad: BadRows) -> pa.ChunkedArray:
    """(n,) of moments; null where the row is bad."""
    return found_column(rows, name, bad, read_instants)


def found_column(
    rows: Rows,
    name: str,
    bad: BadRows,
    read: Callable[[pa.ChunkedArray], Values],
    required: bool = True,
) -> pa.ChunkedArray:
    """(n,) a column as it is wanted; null where its row is bad."""
    found, faults = rows.values(name, read)
    for how, wrong in faults.items():
        bad.blame(wrong, f"{name} {how.fault}", name)
    if required:
        bad.blame(mask(found.is_null()), f"{name} is missing")
    return found


def only(table: pa.Table, rows: Bools) -> pa.Table:
    """Some rows; the table itself where that is all of them, for a copy may be large."""
    return table if rows.all() else table.filter(pa.array(rows))
