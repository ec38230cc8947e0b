"""Context columns as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats

MAX_CATEGORIES = 100
"""The most frequent values of a category that get a place of their own; all others share none."""


@dataclass(frozen=True)
class Encoder:
    """A constant 1, then each feature in order: numbers as they are (missing: 0), categories one-hot.

    `categories`: for each feature the values that have a place, or None for a number. A value without a
    place, and a missing one, is all zeros: such a user is scored by the rest of what is known.
    """

    features: tuple[str, ...]
    categories: tuple[tuple[str, ...] | None, ...]

    @property
    def width(self) -> int:
        """The length of a vector."""
        return 1 + sum(1 if values is None else len(values) for values in self.categories)

    def __call__(self, rows: pa.Table) -> Floats:
        """(n, width) vectors of the rows."""
        vectors = np.zeros((rows.num_rows, self.width))
        vectors[:, 0] = 1.0
        start = 1
        for name, values in zip(self.features, self.categories, strict=True):
            column = rows[name]
            if values is None:
                vectors[:, start] = pc.fill_null(column, 0.0).to_numpy()
                start += 1
            else:
                place = pc.index_in(column, pa.array(values, pa.string()))
                known = np.flatnonzero(pc.is_valid(place).to_numpy())
                vectors[known, start + pc.fill_null(place, 0).to_numpy()[known]] = 1.0
                start += len(values)
        return vectors

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a model file."""
        return {"features": list(self.features), "categories": [v and list(v) for v in self.categories]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Encoder:
        """The encoder that `to_json` described."""
        return cls(
            tuple(content["features"]), tuple(None if v is None else tuple(v) for v in content["categories"])
        )


def most_frequent(counts: dict[str, int]) -> tuple[str, ...]:
    """The values that get a place, sorted: the most frequent ones, ties by value."""
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(ranked[:MAX_CATEGORIES]))
