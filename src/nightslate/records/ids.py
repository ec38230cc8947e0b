"""Columns of ids and other names, as text: one form in whichever type or format they come.

Text is as it is; integers, whole floating point numbers and whole decimals are their digits; booleans are
true and false; UUIDs, and binary of 16 bytes, are 8-4-4-4-12 lower-case hexadecimal digits, and binary of
another fixed width is hexadecimal digits. Empty text and NaN are no value. Pandas writes the whole numbers of
a column with gaps like 7.0: where a whole column of text is written so it is those numbers, and 7.0 is 7.

FORM is the version of this form. Pseudonyms follow from it, so a warehouse keeps the one that it began with:
in form 1 a column of text is as it is, even if all of it is written like 7.0."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.records.chunks import Wrong
from nightslate.records.values import Values, mask, plain, plain_type, unfit, without

FORM, FIRST_FORM = "2", "1"

NOT_AN_ID = Wrong("wrong_type", "is not text or a whole number")
INEXACT = Wrong(
    "wrong_type",
    "is a floating point number too large to be exact: write it as an integer or as text",
    "is exact: text, an integer, or a floating point number under 2^53",
)

_EXACT = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}
"""From here on a floating point number of so many bits is not every whole number."""

_WHOLE = r"^(0|-?[1-9]\d*)(\.0+)?$|^-?\d(\.\d+)?e\+\d\d+$"
_POINTED = r"\.0+$"
_FLOATING = r"\.0+$|e\+\d\d+$"


def are_ids(kind: pa.DataType) -> bool:
    """Whether values of a type can be ids."""
    kind = plain_type(kind)
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_null(kind)
        or isinstance(kind, pa.UuidType)
    )


def ids(values: pa.Array | pa.ChunkedArray, pointed: bool = False) -> Values:
    """(n,) text. pointed: the column's text is whole numbers that are written like 7.0."""
    values = plain(values)
    kind, types = values.type, pa.types
    if types.is_string(kind):
        return _of_text(values, pointed)
    if types.is_floating(kind):
        return _of_floats(values)
    if types.is_decimal(kind):
        return _of_decimals(values)
    if types.is_fixed_size_binary(kind) or isinstance(kind, pa.UuidType):
        return Values(_of_binary(values))
    return Values(values.cast(pa.string())) if are_ids(kind) else unfit(values, pa.string(), NOT_AN_ID)


@dataclass
class Written:
    """How the text of a column is written, from all of its values that were looked at: as whole numbers, some
    of them like 7.0, or as anything else. Mergeable, and so the same however a day is split into files."""

    as_numbers: bool = True
    some_pointed: bool = False

    @property
    def pointed(self) -> bool:
        """Whether it is whole numbers, some of them written like 7.0."""
        return self.as_numbers and self.some_pointed

    def update(self, values: pa.Array | pa.ChunkedArray) -> None:
        """Look at more values; those that are no text say nothing."""
        if not self.as_numbers or not pa.types.is_string(plain_type(values.type)):
            return
        texts = pc.drop_null(plain(values))
        texts = texts.filter(pc.not_equal(texts, ""))
        self.as_numbers = bool(pc.all(pc.match_substring_regex(texts, _WHOLE), min_count=0).as_py())
        self.some_pointed |= bool(pc.any(pc.match_substring_regex(texts, _POINTED), min_count=0).as_py())


def _of_text(values: pa.Array, pointed: bool) -> Values:
    values = without(values, mask(pc.equal(values, "")))
    if not pointed:
        return Values(values)
    is_floating = mask(pc.match_substring_regex(values, _FLOATING))
    numbers = pc.cast(without(values, ~is_floating), pa.float64())
    inexact = mask(pc.greater_equal(pc.abs(numbers), _EXACT[64]))
    return Values(pc.replace_substring_regex(without(values, inexact), _POINTED, ""), ((inexact, INEXACT),))


def _of_floats(values: pa.Array) -> Values:
    each = np.asarray(values.cast(pa.float64()), dtype=np.float64)  # NaN where there is none
    there = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(each) & (each == np.floor(each))
        inexact = np.isfinite(each) & (np.abs(each) >= _EXACT[values.type.bit_width])
    fits = there & whole & ~inexact
    digits = pa.array(np.where(fits, each, 0.0).astype(np.int64)).cast(pa.string())
    return Values(
        without(digits, ~fits), ((there & inexact, INEXACT), (there & ~whole & ~inexact, NOT_AN_ID))
    )


def _of_decimals(values: pa.Array) -> Values:
    exact = values.cast(pa.decimal256(76, max(values.type.scale, 0)))
    wrong = mask(pc.not_equal(pc.floor(exact), exact))
    whole = without(exact, wrong).cast(pa.decimal256(76, 0))
    return Values(whole.cast(pa.string()), ((wrong, NOT_AN_ID),))


def _of_binary(values: pa.Array) -> pa.Array:
    if isinstance(values.type, pa.UuidType):
        values = values.storage
    is_uuid = values.type.byte_width == 16
    texts = [
        content if content is None else str(uuid.UUID(bytes=content)) if is_uuid else content.hex()
        for content in values.to_pylist()
    ]
    return pa.array(texts, pa.string())
