"""How often each value of some columns occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray
from nightslate.kernels.lists import mapped


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """By column the values, as text, and how often each occurs; nulls don't count. Numbers are told to 8
    binary digits, so that there are few of them; of maps to numbers these count, whatever maps to them, and
    of lists what is in them."""

    by_column: Mapping[str, Mapping[str, int]]

    @classmethod
    def initial(cls, columns: Sequence[str]) -> Self:
        """Those of no rows."""
        return cls({name: {} for name in columns})

    def update(self, rows: pa.Table) -> Self:
        """These, and the values of more rows."""
        return self.merge(type(self)({name: _counted(rows[name].drop_null()) for name in self.by_column}))

    def merge(self, other: Self) -> Self:
        """Those of the rows of both."""
        both = {name: Counter(counts) for name, counts in self.by_column.items()}
        for name, counts in other.by_column.items():
            both[name].update(counts)
        return type(self)(both)

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state."""
        arrays = {"columns": np.array([*self.by_column], dtype=np.str_)}
        for place, counts in enumerate(self.by_column.values()):
            # As bytes and their lengths: numpy's own texts end before a NUL, and are as long as the longest.
            texts = [value.encode() for value in counts]
            arrays[f"texts_{place}"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
            arrays[f"lengths_{place}"] = np.array([len(text) for text in texts], dtype=np.int64)
            arrays[f"counts_{place}"] = np.array([*counts.values()], dtype=np.int64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        by_column = {}
        for place, column in enumerate(arrays["columns"].tolist()):
            ends = np.cumsum(arrays[f"lengths_{place}"])[:-1]
            texts = np.split(arrays[f"texts_{place}"], ends) if arrays[f"lengths_{place}"].size else []
            values = [text.tobytes().decode() for text in texts]
            by_column[column] = dict(zip(values, arrays[f"counts_{place}"].tolist(), strict=True))
        return cls(by_column)


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    if pa.types.is_map(column.type):
        column = pa.chunked_array([mapped(column)[2]])
    elif pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    counts = _few_values(column).value_counts()
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _few_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as the text of the bfloat16 nearest to 0 from them; text as it is."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    largest = float(np.finfo(np.float32).max)
    numbers = np.clip(column.cast(pa.float64()).to_numpy(), -largest, largest)
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded = (bits & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64) + 0.0  # -0.0 is 0.0
    return pa.chunked_array([pa.array(rounded).cast(pa.string())])
