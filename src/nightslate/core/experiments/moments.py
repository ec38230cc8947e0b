"""Sums over users, from which every figure of a readout follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, finite, indices, row_chunks
from nightslate.core.errors import InvalidInputError

_OF_VALUES, _OF_PRODUCTS = 1e-24, 1e-13
"""Of squares: numbers are known to some of the last bits of float64, and so are sums of their products. What
is left of terms that take each other off to such a share of them is no variation."""


@dataclass(frozen=True, eq=False)
class Moments(ArrayRecord):
    """Of the users of each cell, such as a variant of a segment: how many there are, n (*cells,), the means
    of K numbers of theirs, mean (*cells, K), those of their absolute values, size (*cells, K), and the sums
    of products of what the numbers differ by from the means, products (*cells, K, K). Merged as by Chan,
    Golub and LeVeque (1983), so that large values that differ little lose no digits."""

    n: Ints
    mean: Floats
    size: Floats
    products: Floats

    @classmethod
    def initial(cls, cells: tuple[int, ...], columns: int) -> Self:
        """Of no users."""
        return cls(
            np.zeros(cells, dtype=np.int64),
            np.zeros((*cells, columns)),
            np.zeros((*cells, columns)),
            np.zeros((*cells, columns, columns)),
        )

    def update(self, cell: Ints, values: Floats) -> Self:
        """With users more: the place (u,) of each one's cell among all of them, and values (u, K).

        Raises InvalidInputError for other shapes, places that are none, values that are not finite, and such
        as are so large that their squares can't be summed up."""
        columns = self.mean.shape[-1]
        values = finite("values", values, (len(cell), columns))
        cell = indices("cell", cell, (len(cell),), self.n.size)
        state = self
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in row_chunks(len(cell), 8 * columns * columns):
                state = state.merge(self._of(cell[rows], values[rows]))
        if not np.isfinite(state.products).all():
            raise InvalidInputError(
                f"values reach from {values.min():.3g} to {values.max():.3g}: no sum holds their squares"
            )
        return state

    def merge(self, other: Self) -> Self:
        """Of the users of both."""
        both = [np.stack(pair) for pair in zip(self.arrays().values(), other.arrays().values(), strict=True)]
        return type(self)(*both).pooled(0)

    def pooled(self, axis: int) -> Self:
        """With all cells along an axis as one."""
        n = self.n.sum(axis=axis)
        weight = self.n / np.maximum(np.expand_dims(n, axis), 1)
        mean, size = ((weight[..., None] * each).sum(axis=axis) for each in (self.mean, self.size))
        off = self.mean - np.expand_dims(mean, axis)
        between = self.n[..., None, None] * off[..., :, None] * off[..., None, :]
        return type(self)(n, mean, size, (self.products + between).sum(axis=axis))

    def cell(self, *place: int) -> Self:
        """Of one cell."""
        return type(self)(*(array[place] for array in self.arrays().values()))

    def at(self, place: int, axis: int) -> Self:
        """Of the cells at a place of an axis."""
        return type(self)(*(array.take(place, axis) for array in self.arrays().values()))

    def columns(self, part: slice) -> Self:
        """Of some of the numbers."""
        return type(self)(self.n, self.mean[..., part], self.size[..., part], self.products[..., part, part])

    @property
    def effective(self) -> Floats:
        """(*cells, K) how many users make a column's sum: (sum |x|)**2 / sum x**2 (Kish, 1965); of users of
        whom few bought for the same, how many did."""
        squares = np.diagonal(self.products, axis1=-2, axis2=-1) + self.n[..., None] * self.mean**2
        sums = self.n[..., None] * self.size
        return np.asarray(np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0))

    @property
    def covariance(self) -> Floats:
        """(*cells, K, K) that of the numbers among users, unbiased; NaN with fewer than two."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.products / np.where(self.n > 1, self.n - 1.0, np.nan)[..., None, None])

    def squares(self, factors: Floats) -> Floats:
        """(*cells,) the sum of squares of what a linear combination of the numbers, factors (*cells, K),
        differs by from its mean; 0 where that is rounding."""
        size = np.abs(factors)
        of_values = self.n * (size * np.abs(self.mean)).sum(axis=-1) ** 2
        deviations = np.sqrt(np.diagonal(self.products, axis1=-2, axis2=-1))
        of_products = (size * deviations).sum(axis=-1) ** 2
        squares = np.einsum("...i,...ij,...j->...", factors, self.products, factors)
        least = np.maximum(_OF_VALUES * of_values, _OF_PRODUCTS * of_products)
        return np.asarray(np.where(squares > least, squares, 0.0))

    def _of(self, cell: Ints, values: Floats) -> Self:
        order = None if (cell[1:] >= cell[:-1]).all() else np.argsort(cell, kind="stable")
        columns = values.T if order is None else values[order].T
        n = np.bincount(cell, minlength=self.n.size)
        there = np.flatnonzero(n)
        starts = (n.cumsum() - n)[there]
        state = type(self).initial((self.n.size,), len(columns))
        off = np.empty(columns.shape)
        for place, column in enumerate(columns):
            state.mean[there, place] = np.add.reduceat(column, starts) / n[there]
            state.size[there, place] = np.add.reduceat(np.abs(column), starts) / n[there]
            off[place] = column - np.repeat(state.mean[:, place], n)
            for other in range(place + 1):
                products = np.add.reduceat(off[place] * off[other], starts)
                state.products[there, place, other] = state.products[there, other, place] = products
        return type(self)(
            n.reshape(self.n.shape),
            state.mean.reshape(self.mean.shape),
            state.size.reshape(self.size.shape),
            state.products.reshape(self.products.shape),
        )
