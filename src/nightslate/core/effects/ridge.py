"""Ridge regression (Hoerl and Kennard, 1970) from normal equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError

_NO_SPREAD = 1e-12
"""Of a mean square: what is left of it as a variance is rounding."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """The coefficients (d, M); the inverse (d, d) of the penalised normal equations; what the square of each
    coefficient costs, penalty (d,); and how many degrees of freedom the fit has."""

    coefficients: Floats
    inverse: Floats
    penalty: Floats
    freedom: float


def ridge_fit(gram: Floats, moment: Floats, ridge: float) -> Ridge:
    """Of the sums x x' (d, d) and x y' (d, M) over rows whose first number is 1. The constant costs nothing.
    The coefficient of a flag costs `ridge`, so that one that so many rows have is believed by half; that of a
    number costs as much a standard deviation, whatever its unit.

    Raises InvalidInputError where there are no rows, or the ridge is not over 0."""
    if not gram[0, 0] > 0 or not ridge > 0:
        raise InvalidInputError(f"a ridge over 0 and rows are needed, got {ridge} and {gram[0, 0]:g} rows")
    penalty = _penalty(gram, ridge)
    normal = gram + np.diag(penalty)
    scale = np.sqrt(np.diag(normal))
    factor = cho_factor(normal / np.outer(scale, scale), lower=True)
    inverse = cho_solve(factor, np.eye(len(gram))) / np.outer(scale, scale)
    coefficients = cho_solve(factor, moment / scale[:, None]) / scale[:, None]
    return Ridge(coefficients, inverse, penalty, float((inverse * gram).sum()))


def _penalty(gram: Floats, ridge: float) -> Floats:
    """(d,) by how much columns vary: of zeros and ones the sum is the sum of squares."""
    mean, square = gram[0] / gram[0, 0], np.diag(gram) / gram[0, 0]
    flags = np.diag(gram) == gram[0]
    variance = square - mean**2
    spread = np.where(variance > _NO_SPREAD * square, variance, square)
    penalty = ridge * np.where(flags | (spread <= 0), 1.0, spread)
    penalty[0] = 0.0
    return penalty
