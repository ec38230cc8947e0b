"""Sample ratio mismatch: whether as many users are in each variant as were to be assigned to it.

Under assignment alone the users of variant v less the sum of all users' probabilities of v is 0 in
expectation, with covariance sum of diag(p) - p p'. `p_value` is that of the score test, which is Pearson's
chi-squared test where all users have the same probabilities. `log_e_value` may be looked at after each user:
it is a mixture of likelihood ratios against the odds of one variant being exp(t) times what they were to be,
for t on a grid to both sides, each a martingale whatever the probabilities of the next user are, if they are
known before the draw (Robbins, 1970; Ramdas, Grünwald, Vovk and Shafer, 2023; with shares alone: Lindon and
Malek, 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import gammaincc, logsumexp

from nightslate.core.arrays import Floats, Ints, Sums, row_chunks

_SIZES = 0.005 * 2.0 ** np.arange(8)
TILTS = np.concatenate([-_SIZES[::-1], _SIZES])
"""(T,) logarithms of how odds are off: from half a percent of a variant to about half of it."""

_RANK = 1e-9
"""Probabilities sum to 1, so that covariances have one rank less than variants but for rounding."""


@dataclass(frozen=True, eq=False)
class SampleRatio(Sums):
    """Of k variants, in one cell or in several, such as days: how many users are in each, seen (*cells, k);
    the sums of their probabilities, expected (*cells, k); the covariance (*cells, k, k) of what was to be
    seen; and norms (*cells, k, T), the sums over users of log(1 - p + p exp(t))."""

    seen: Ints
    expected: Floats
    covariance: Floats
    norms: Floats

    @classmethod
    def initial(cls, variants: int, cells: tuple[int, ...] = ()) -> Self:
        """Of no users."""
        return cls(
            np.zeros((*cells, variants), dtype=np.int64),
            np.zeros((*cells, variants)),
            np.zeros((*cells, variants, variants)),
            np.zeros((*cells, variants, TILTS.size)),
        )

    @classmethod
    def of_shares(cls, seen: Ints, shares: Floats) -> Self:
        """Of seen (*cells, k) users, whose probabilities are all the shares (k,)."""
        n = seen.sum(axis=-1)[..., None]
        return cls(
            seen,
            n * shares,
            n[..., None] * (np.diag(shares) - np.outer(shares, shares)),
            n[..., None] * _log_norm(shares),
        )

    def update(self, variant: Ints, probabilities: Floats, cell: Ints | None = None) -> Self:
        """With users more: variant (u,) their places, probabilities (u, k) of each variant, which sum to 1,
        and the place (u,) of each one's cell among all of them."""
        cell = np.zeros(len(variant), dtype=np.int64) if cell is None else cell
        state = self
        for rows in row_chunks(len(variant), 8 * 4 * TILTS.size):
            state = state.merge(self._of(cell[rows], variant[rows], probabilities[rows]))
        return state

    def pooled(self, axis: int) -> Self:
        """With all cells along an axis as one."""
        return self.from_arrays({name: array.sum(axis=axis) for name, array in self.arrays().items()})

    def cumulated(self, axis: int) -> Self:
        """With each cell as it and those before it along an axis together, such as days up to each day."""
        return self.from_arrays({name: array.cumsum(axis=axis) for name, array in self.arrays().items()})

    def cell(self, *place: int | slice) -> Self:
        """Of one cell, or of some."""
        return self.from_arrays({name: array[place] for name, array in self.arrays().items()})

    def p_value(self) -> float | None:
        """Of one cell: how likely as large a mismatch is by chance, looked at once. None where there is
        nothing that chance decides."""
        rank = int(np.linalg.matrix_rank(self.covariance, hermitian=True, rtol=_RANK))
        if not rank:
            return None
        off = self.seen - self.expected
        chi_squared = float(off @ np.linalg.pinv(self.covariance, hermitian=True, rtol=_RANK) @ off)
        return float(gammaincc(rank / 2, chi_squared / 2))

    def log_e_value(self) -> Floats:
        """(*cells,) the logarithm of the evidence for a mismatch: over log(1 / alpha) at any look with
        probability alpha at most."""
        growth = self.seen[..., None] * TILTS - self.norms
        return np.asarray(logsumexp(growth, axis=(-2, -1)) - math.log(self.seen.shape[-1] * TILTS.size))

    def missing(self) -> Floats:
        """(*cells, k) which share of each variant's users is missing, if those of the others are all there;
        negative of too many."""
        seen, expected = self.seen.astype(np.float64), self.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            others = (seen.sum(axis=-1, keepdims=True) - seen) / (
                expected.sum(axis=-1, keepdims=True) - expected
            )
            return np.asarray(1 - seen / expected / others)

    def _of(self, cell: Ints, variant: Ints, probabilities: Floats) -> Self:
        variants, cells = self.seen.shape[-1], self.seen[..., 0].size
        seen = np.bincount(cell * variants + variant, minlength=cells * variants)

        def summed(columns: Floats) -> Floats:
            return np.stack([np.bincount(cell, column, cells) for column in columns.T], axis=-1)

        expected = summed(probabilities)
        products = (probabilities[:, :, None] * probabilities[:, None, :]).reshape(len(cell), -1)
        norms = summed(_log_norm(probabilities).reshape(len(cell), -1))
        covariance = expected[:, :, None] * np.eye(variants) - summed(products).reshape(
            cells, variants, variants
        )
        return type(self)(
            seen.reshape(self.seen.shape),
            expected.reshape(self.expected.shape),
            covariance.reshape(self.covariance.shape),
            norms.reshape(self.norms.shape),
        )


def _log_norm(probabilities: Floats) -> Floats:
    """(..., T) the expectations of exp(t) to the power of whether one is in the variant, in logarithms."""
    return np.asarray(np.log1p(probabilities[..., None] * np.expm1(TILTS)))
