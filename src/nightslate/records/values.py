"""A column as what it is wanted for, in whichever type its file has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.records.chunks import Wrong


@dataclass(frozen=True)
class Values:
    """array: (n,) null where the file has no value, and where it has one that is at fault; faults: (n,) where
    these are, and what is wrong with them."""

    array: pa.Array
    faults: tuple[tuple[Bools, Wrong], ...] = ()


def unfit(values: pa.Array, wanted: pa.DataType, wrong: Wrong) -> Values:
    """Of a type that cannot hold what is wanted: all values are at fault."""
    return Values(pa.nulls(len(values), wanted), ((mask(pc.is_valid(values)), wrong),))


def plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array without dictionary, run lengths, extension, long offsets or views; UUIDs stay what they
    are."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values.type, pa.BaseExtensionType) and not isinstance(values.type, pa.UuidType):
        return plain(values.storage)
    if pa.types.is_dictionary(values.type):
        return plain(values.dictionary_decode())
    if pa.types.is_run_end_encoded(values.type):
        return plain(pc.run_end_decode(values))
    if pa.types.is_list_view(values.type) or pa.types.is_large_list_view(values.type):
        return pa.array(values.to_pylist(), plain_type(values.type))
    return values.cast(plain_type(values.type))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of what `plain` makes of values of this one."""
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.UuidType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if is_list(kind):
        return pa.list_(kind.value_type)
    return kind


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists, of any kind."""
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def mask(flags: pa.Array) -> Bools:
    """(n,) the flags as a mask; null is false."""
    if not pc.any(flags).as_py():
        return np.zeros(len(flags), dtype=np.bool_)
    return np.asarray(pc.fill_null(flags, False), dtype=np.bool_)


def without(values: pa.Array, wrong: Bools) -> pa.Array:
    """The values with null in these places."""
    return pc.if_else(pa.array(wrong), pa.scalar(None, values.type), values) if wrong.any() else values
