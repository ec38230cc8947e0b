"""Slates as the rows that a python_function answers with: what its JSON says, and cheap to make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.serving.mlmodel import DAY


def rows_of(slates: pa.Table, days: Sequence[date]) -> list[dict[str, Any]]:
    """A dictionary a slate, `None` for null. A weight, which is a float32, is the float that equals it."""
    columns = [_values(slates[name].combine_chunks()) for name in slates.column_names]
    columns.append([day.isoformat() for day in days])
    names = (*slates.column_names, DAY)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    if not pa.types.is_list(column.type):
        return _items(column)
    items = _items(pc.list_flatten(column))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    lists: list[Any] = [items[start:end] for start, end in pairwise([0, *np.cumsum(lengths).tolist()])]
    for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)):
        lists[row] = None
    return lists


def _items(flat: pa.Array) -> list[Any]:
    """Numbers or texts, each text made once."""
    if pa.types.is_string(flat.type):
        coded = flat.dictionary_encode()
        texts = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
        return list(texts[pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy()])
    return list(flat.to_pylist() if flat.null_count else flat.to_numpy().tolist())
