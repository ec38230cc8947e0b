"""Columns of yes and no: booleans, 1 and 0, or text that says true, false, 1 or 0."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.records.chunks import Wrong
from nightslate.records.numbers import are_numbers, numbers
from nightslate.records.values import Values, mask, unfit, without

NOT_A_BOOLEAN = Wrong("wrong_type", "is neither true nor false")


def booleans(values: pa.Array | pa.ChunkedArray) -> Values:
    """(n,) true or false; of text, empty is no value."""
    if not are_numbers(values.type):
        return unfit(values, pa.bool_(), NOT_A_BOOLEAN)
    found = numbers(values)
    each = found.array.to_numpy(zero_copy_only=False)
    wrong = mask(pc.is_valid(found.array)) & ~np.isin(each, (0.0, 1.0))
    faults = tuple((where, NOT_A_BOOLEAN) for where, _ in found.faults)
    return Values(pc.cast(without(found.array, wrong), pa.bool_()), (*faults, (wrong, NOT_A_BOOLEAN)))
