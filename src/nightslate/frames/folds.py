"""States by fold of users: what may be fitted for the users of a fold is what all others have to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import AnyArray, Bools, Ints
from nightslate.frames.buckets import map_buckets
from nightslate.frames.packing import pack, unpack
from nightslate.frames.samples import Sample

_STATES = pa.schema(
    [("bucket", pa.int32()), ("name", pa.string()), ("fold", pa.int32()), ("state", pa.binary())]
)

Key = tuple[str, int]
"""What a state is of: a name, and a fold of users."""


class Mergeable(Protocol):
    """A state of rows that can be merged with that of other rows, and travels as arrays."""

    def merge(self, other: Self) -> Self:
        """The state of the rows of both."""

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""


M = TypeVar("M", bound=Mergeable)


def merged(
    spark: SparkSession,
    logs: Sample,
    initial: Mapping[Key, M],
    update: Callable[[pa.Table], Iterator[tuple[Key, M]]],
) -> dict[Key, M]:
    """`initial` and the states that `update` makes of the matured rows of each bucket: one pass."""

    def kernel(bucket: int, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
        rows = logs.of(tables)
        if rows.num_rows:
            for (name, fold), state in update(rows):
                packed = {"bucket": [bucket], "name": [name], "fold": [fold], "state": [pack(state.arrays())]}
                yield from pa.table(packed, schema=_STATES).to_batches()

    found = map_buckets(spark, logs.inputs, kernel, from_arrow_schema(_STATES), logs.buckets).toArrow()
    states = dict(initial)
    # In the order of buckets, so that float sums are equal from run to run.
    for row in found.sort_by("bucket").to_pylist():
        key = row["name"], row["fold"]
        states[key] = states[key].merge(type(states[key]).from_arrays(unpack(row["state"])))
    return states


def of_others(fold_of: Ints, fold: int, folds: int) -> Bools:
    """(n,) which rows, of folds fold_of (n,), are of users of other folds; all, where there is one only."""
    return np.asarray((fold_of != fold) | (folds == 1))


def states_of_others(parts: Sequence[M]) -> tuple[M, ...]:
    """From the state of each fold, for each the state of all others; of everyone, where there is one only."""
    kept = [[p for other, p in enumerate(parts) if other != fold] or parts for fold in range(len(parts))]
    return tuple(reduce(lambda one, other: one.merge(other), states) for states in kept)
