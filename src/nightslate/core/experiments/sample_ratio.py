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


@dataclass(frozen=True, eq=False)
class SampleRatio(Sums):
    """Of k variants: how many users are in each, seen (k,); the sums of their probabilities, expected (k,);
    the covariance (k, k) of what was to be seen; and norms (k, T), the sums over users of log(1 - p + p
    exp(t))."""

    seen: Ints
    expected: Floats
    covariance: Floats
    norms: Floats

    @classmethod
    def initial(cls, variants: int) -> Self:
        """Of no users."""
        return cls(
            np.zeros(variants, dtype=np.int64),
            np.zeros(variants),
            np.zeros((variants, variants)),
            np.zeros((variants, TILTS.size)),
        )

    def update(self, variant: Ints, probabilities: Floats) -> Self:
        """With users more: variant (u,) their places, probabilities (u, k) of each variant, which sum to
        1."""
        state = self
        for rows in row_chunks(len(variant), 8 * 4 * TILTS.size):
            state = state.merge(self._of(variant[rows], probabilities[rows]))
        return state

    def with_shares(self, seen: Ints, shares: Floats) -> Self:
        """With seen (k,) users more, whose probabilities are all the shares (k,)."""
        n = int(seen.sum())
        return self.merge(
            type(self)(
                seen,
                n * shares,
                n * (np.diag(shares) - np.outer(shares, shares)),
                n * _log_norm(shares),
            )
        )

    def p_value(self) -> float | None:
        """Of as large a mismatch by chance, looked at once; None without users of two variants to be."""
        off = self.seen - self.expected
        rank = int(np.linalg.matrix_rank(self.covariance, hermitian=True))
        if not rank:
            return None
        chi_squared = float(off @ np.linalg.pinv(self.covariance, hermitian=True) @ off)
        return float(gammaincc(rank / 2, chi_squared / 2))

    def log_e_value(self) -> float:
        """The logarithm of the evidence for a mismatch: over log(1 / alpha) at any look with probability
        alpha at most."""
        growth = self.seen[:, None] * TILTS - self.norms
        return float(logsumexp(growth) - math.log(growth.size))

    def missing(self) -> Floats:
        """(k,) which share of each variant's users is missing, if those of the others are all there; negative
        of too many."""
        n = float(self.seen.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            others = (n - self.seen) / (self.expected.sum() - self.expected)
            return np.asarray(1 - self.seen / self.expected / others)

    def _of(self, variant: Ints, probabilities: Floats) -> Self:
        expected = probabilities.sum(axis=0)
        return type(self)(
            np.bincount(variant, minlength=self.seen.size),
            expected,
            np.diag(expected) - probabilities.T @ probabilities,
            np.stack([_log_norm(of_variant).sum(axis=0) for of_variant in probabilities.T]),
        )


def _log_norm(probabilities: Floats) -> Floats:
    """(u, T) the expectations of exp(t) to the power of whether one is in the variant, in logarithms."""
    return np.asarray(np.log1p(probabilities[:, None] * np.expm1(TILTS)))
