"""Sums over users, from which every figure of a readout follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, finite, indices, row_chunks


@dataclass(frozen=True, eq=False)
class Moments(ArrayRecord):
    """Of the users of each cell, such as a variant of a segment: how many there are, n (*cells,), the means
    of K numbers of theirs, mean (*cells, K), and the sums of products of what these differ by from the means,
    products (*cells, K, K). Merged as by Chan, Golub and LeVeque (1983), so that large values that differ
    little lose no digits."""

    n: Ints
    mean: Floats
    products: Floats

    @classmethod
    def initial(cls, cells: tuple[int, ...], columns: int) -> Self:
        """Of no users."""
        return cls(
            np.zeros(cells, dtype=np.int64),
            np.zeros((*cells, columns)),
            np.zeros((*cells, columns, columns)),
        )

    def update(self, cell: Ints, values: Floats) -> Self:
        """With users more: the place (u,) of each one's cell among all of them, and values (u, K).

        Raises InvalidInputError for other shapes, places that are none and values that are not finite."""
        columns = self.mean.shape[-1]
        values = finite("values", values, (len(cell), columns))
        cell = indices("cell", cell, (len(cell),), self.n.size)
        state = self
        for rows in row_chunks(len(cell), 8 * columns * columns):
            state = state.merge(self._of(cell[rows], values[rows]))
        return state

    def merge(self, other: Self) -> Self:
        """Of the users of both."""
        both = [np.stack(pair) for pair in zip(self.arrays().values(), other.arrays().values(), strict=True)]
        return type(self)(*both).pooled(0)

    def pooled(self, axis: int) -> Self:
        """With all cells along an axis as one."""
        n = self.n.sum(axis=axis)
        weight = self.n / np.maximum(np.expand_dims(n, axis), 1)
        mean = (weight[..., None] * self.mean).sum(axis=axis)
        off = self.mean - np.expand_dims(mean, axis)
        between = self.n[..., None, None] * off[..., :, None] * off[..., None, :]
        return type(self)(n, mean, (self.products + between).sum(axis=axis))

    def cell(self, *place: int) -> Self:
        """Of one cell."""
        return type(self)(self.n[place], self.mean[place], self.products[place])

    def at(self, place: int, axis: int) -> Self:
        """Of the cells at a place of an axis."""
        return type(self)(*(array.take(place, axis) for array in self.arrays().values()))

    @property
    def covariance(self) -> Floats:
        """(*cells, K, K) that of the numbers among users, unbiased; NaN with fewer than two."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.products / np.where(self.n > 1, self.n - 1.0, np.nan)[..., None, None])

    def _of(self, cell: Ints, values: Floats) -> Self:
        cells, columns = self.n.size, self.mean.shape[-1]
        n = np.bincount(cell, minlength=cells)
        total = np.stack([np.bincount(cell, column, cells) for column in values.T], axis=-1)
        mean = total / np.maximum(n, 1)[:, None]
        off = (values - mean[cell]).T
        products = np.empty((cells, columns, columns))
        for one in range(columns):
            for two in range(one + 1):
                products[:, one, two] = np.bincount(cell, off[one] * off[two], cells)
                products[:, two, one] = products[:, one, two]
        return type(self)(
            n.reshape(self.n.shape), mean.reshape(self.mean.shape), products.reshape(self.products.shape)
        )
