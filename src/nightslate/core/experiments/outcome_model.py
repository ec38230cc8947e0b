"""What users of a variant are expected to count for, by what was known of them before: linear models, of
which sums over users are all that is kept.

Each user weighs 1 / the probability of the own variant, so that a model is the best linear one of all users,
not of those whom the allocation sent to the variant. Slopes of standardised features are shrunk as by one
user more of whom nothing is known (ridge: Hoerl and Kennard, 1970)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums

FOLDS = 5
"""Of users: who is expected to count for what is said by models of the others."""

_ROUNDING = 1e-12
"""Of squares: a feature that varies by no more of its size is a constant."""


@dataclass(frozen=True, eq=False)
class OutcomeSums(Sums):
    """Of T days, FOLDS folds and k variants: users n (T, F, k), and sums over them (T, F, k, d + 3, d + 3) of
    the products of 1, d features, and the numerator and the denominator of a metric, each divided by the
    probability of the own variant."""

    n: Ints
    products: Floats

    @classmethod
    def initial(cls, days: int, variants: int, features: int) -> Self:
        """Of no users."""
        cells, columns = (days, FOLDS, variants), features + 3
        return cls(np.zeros(cells, dtype=np.int64), np.zeros((*cells, columns, columns)))

    def update(
        self, day: Ints, fold: Ints, variant: Ints, probability: Floats, features: Floats, parts: Floats
    ) -> Self:
        """With users more: their days, folds and variants, the probability of these, all (u,), features
        (u, d), and numerator and denominator (u, 2)."""
        cell = np.ravel_multi_index((day, fold, variant), self.n.shape)
        columns = np.column_stack([np.ones(len(cell)), features, parts])
        there, found = _by_cell(cell)
        products = self.products.reshape(self.n.size, *self.products.shape[3:]).copy()
        for place, rows in zip(there, found, strict=True):
            products[place] += (columns[rows] / probability[rows, None]).T @ columns[rows]
        n = self.n + np.bincount(cell, minlength=self.n.size).reshape(self.n.shape)
        return type(self)(n, products.reshape(self.products.shape))


@dataclass(frozen=True, eq=False)
class OutcomeModels:
    """Of what users of each fold and variant count for: an intercept and d slopes, of the numerator and of
    the denominator; crossfitted (F, k, 1 + d, 2): to the users of all other folds; sequential
    (T, F, k, 1 + d, 2): to those of them alone who came by the user's own day, and to those of earlier days
    in all folds. Where nobody came so early, it is as crossfitted."""

    crossfitted: Floats
    sequential: Floats

    @classmethod
    def of(cls, sums: OutcomeSums) -> Self:
        """Fitted to all users."""
        others = _of_other_folds(sums.n), _of_other_folds(sums.products)
        crossfitted = fitted(*(each.sum(axis=0) for each in others))
        n, products = (
            (each.cumsum(axis=0) - each).sum(axis=1, keepdims=True) + other
            for each, other in zip((sums.n, sums.products), others, strict=True)
        )
        known = (n > 0)[..., None, None]
        return cls(crossfitted, np.where(known, fitted(n, products), crossfitted))


def fitted(n: Ints, products: Floats) -> Floats:
    """(*cells, 1 + d, 2) the intercept and slopes of each cell, of sums as those of `OutcomeSums`; 0 where
    nobody is."""
    d = products.shape[-1] - 3
    weight = np.where(n > 0, products[..., 0, 0], 1.0)[..., None]
    mean = products[..., 0, 1:] / weight
    about = products[..., 1:, 1:] / weight[..., None] - mean[..., :, None] * mean[..., None, :]
    variance = np.diagonal(about, axis1=-2, axis2=-1)[..., :d]
    varies = variance > _ROUNDING * mean[..., :d] ** 2
    scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    correlations = about[..., :d, :d] * scale[..., :, None] * scale[..., None, :]
    shrunk = correlations + np.eye(d) / np.maximum(n, 1)[..., None, None]
    slopes = scale[..., None] * np.linalg.solve(shrunk, scale[..., None] * about[..., :d, d:])
    intercept = mean[..., d:] - np.einsum("...d,...dp->...p", mean[..., :d], slopes)
    return np.concatenate([intercept[..., None, :], slopes], axis=-2)


def expected(models: Floats, cell: Ints, features: Floats) -> Floats:
    """(u, k, 2) what users are expected to count for in each variant: of models (C, k, 1 + d, 2), each by
    those of the own cell (u,)."""
    found = np.empty((len(cell), models.shape[1], 2))
    for place, rows in zip(*_by_cell(cell), strict=True):
        known = np.column_stack([np.ones(len(rows)), features[rows]])
        found[rows] = np.einsum("ud,kdp->ukp", known, models[place])
    return found


def _by_cell(cell: Ints) -> tuple[list[int], list[Ints]]:
    """The cells that there are, and the rows of each."""
    there, counts = np.unique(cell, return_counts=True)
    return there.tolist(), np.split(np.argsort(cell, kind="stable"), counts.cumsum())[:-1]


def _of_other_folds(sums: Floats | Ints) -> Floats:
    """(T, F, ...) of each fold the sums of all others."""
    return np.stack([np.delete(sums, fold, axis=1).sum(axis=1) for fold in range(FOLDS)], axis=1)
