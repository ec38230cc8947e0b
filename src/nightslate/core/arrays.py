"""Array types, checks of what comes in, and the walk over rows that keeps memory bounded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightslate.core.errors import InvalidInputError

AnyArray = NDArray[Any]
Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
Int16s = NDArray[np.int16]
Keys = NDArray[np.uint64]
Bools = NDArray[np.bool_]

CHUNK_BYTES = 8 * 2**20

BLOCK = 64
"""Rows that BLAS multiplies at once where their bits matter: it takes them by fours, eights or sixteens, and
what is left over in another way."""


@dataclass(frozen=True, eq=False)
class ArrayRecord:
    """A dataclass whose fields are all arrays: it travels and is saved as a dict of them, never as a
    pickle."""

    def arrays(self) -> dict[str, AnyArray]:
        """Every field by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The record that `arrays()` described. Raises InvalidInputError if a field is missing or unknown."""
        require_names(cls.__name__, arrays, tuple(field.name for field in fields(cls)))
        return cls(**{name: np.asarray(array) for name, array in arrays.items()})


@dataclass(frozen=True, eq=False)
class Sums(ArrayRecord):
    """A record whose fields are all sums over rows, so that merging adds them."""

    def merge(self, other: Self) -> Self:
        """The sums over the rows of both. Raises InvalidInputError where the shapes differ."""
        mine, theirs = self.arrays(), other.arrays()
        for name in mine:
            if mine[name].shape != theirs[name].shape:
                raise InvalidInputError(
                    f"cannot merge {type(self).__name__}: {name} has shape {mine[name].shape} here and "
                    f"{theirs[name].shape} there; both must come from the same arms and features"
                )
        return type(self)(**{name: mine[name] + theirs[name] for name in mine})


def require_names(record: str, arrays: Mapping[str, AnyArray], expected: tuple[str, ...]) -> None:
    """Raise InvalidInputError unless `arrays` has exactly the expected names."""
    if set(arrays) != set(expected):
        raise InvalidInputError(f"{record} is made of {sorted(expected)}, got {sorted(arrays)}")


def finite(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """`values` as float64 of exactly this shape; InvalidInputError otherwise, or where a value is not
    finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise InvalidInputError(f"{name} must have shape {shape}, got {array.shape}")
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InvalidInputError(f"{name} has {bad} of {array.size} values that are not finite")
    return array


def indices(name: str, values: ArrayLike, shape: tuple[int, ...], size: int) -> Ints:
    """`values` as int64 of exactly this shape, each in [0, size); InvalidInputError otherwise."""
    array = np.asarray(values)
    if array.shape != shape or (array.size and array.dtype.kind not in "iu"):
        raise InvalidInputError(f"{name} must be integers of shape {shape}, got {array.dtype} {array.shape}")
    bad = int(np.count_nonzero((array < 0) | (array >= size)))
    if bad:
        raise InvalidInputError(f"{name} has {bad} of {array.size} values outside 0..{size - 1}")
    return array.astype(np.int64, copy=False)


def row_chunks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Slices that cover `rows` rows, each of about CHUNK_BYTES of intermediate results."""
    step = max(1, CHUNK_BYTES // max(1, bytes_per_row))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def in_equal_blocks(function: Callable[[Floats], Floats], rows: Floats, bytes_per_row: int) -> Floats:
    """A function of rows (n, d) -> (n, k), called for blocks of so many rows each, with zeros after the last.

    BLAS sums up in another order for few rows than for many. In blocks of one size a row gets the same bits
    whatever rows there are beside it, on one kind of CPU with one thread."""
    size = min(BLOCK, max(1, CHUNK_BYTES // bytes_per_row))
    blocks = [
        function(filled_up(rows[start : start + size], size))[: len(rows) - start]
        for start in range(0, len(rows), size)
    ]
    return np.concatenate(blocks) if blocks else function(rows)


def filled_up(rows: Floats, size: int) -> Floats:
    """Rows (n, d), and after them so many of zeros that all are a multiple of `size`."""
    lacking = -len(rows) % size
    return np.concatenate([rows, np.zeros((lacking, rows.shape[1]))]) if lacking else rows
