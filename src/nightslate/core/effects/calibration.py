"""Whether effects grow as a model says that they do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.experiments import Moments

CROSS_FITTED = 2.0
"""By how much the variance of what users say of models that other folds taught can be more than that of a
mean of independent ones. Where effects don't differ, a model is the noise of the folds that it learnt from:
what fold f says of the noise of g is what g says of that of f, so that each pair counts twice, however many
folds there are. Where models have found something it is less, and this is cautious."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Slope:
    """How much effects grow where what is said of them grows by 1, with its standard error; None where
    nothing that is said differs."""

    value: float | None
    stderr: float | None


def columns(scores: Floats, predicted: Floats) -> Floats:
    """(n, 4) what moments are of, of doubly robust scores (n,) and what was said of their effects (n,)."""
    return np.stack([scores, predicted, predicted * scores, predicted**2], axis=1)


def slope(users: Moments) -> Slope:
    """That of the least squares of scores on predictions, from moments of their `columns`. Its standard error
    is the sandwich's (White, 1980): scores of users who were unlikely to be where they are vary more."""
    score, said, product, square = users.mean.tolist()
    variance = square - said**2
    if users.n < 2 or not variance > _ROUNDING * square:
        return Slope(None, None)
    value = (product - said * score) / variance
    factors = np.array([-said, 2 * value * said - score, 1.0, -value]) / variance
    return Slope(value, math.sqrt(float(users.squares(factors))) / float(users.n))
