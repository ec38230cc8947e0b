"""The lift of one variant of an experiment over another, as an analyst computes it: from what happened, by
participant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Lift:
    """How much more a variant earned a page than another one, relative to it, with an interval."""

    value: float
    lower: float
    upper: float
    confidence: float


def lift(earned: Floats, who: Ints, treated: Bools, control: Bools, confidence: float = 0.95) -> Lift | None:
    """The ratio of mean rewards of pages (n,) of two variants, less 1. `who` (n,) numbers the participants:
    the pages of one are not independent, so the variance is that of their sums (the delta method for ratios,
    on the logarithm). None where a variant has earned nothing."""
    (mean, variance), (base, base_variance) = (_mean(earned[at], who[at]) for at in (treated, control))
    if not (mean > 0 and base > 0):
        return None
    log = math.log(mean / base)
    relative = variance / mean**2 + base_variance / base**2
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(relative)
    return Lift(math.expm1(log), math.expm1(log - half), math.expm1(log + half), confidence)


def _mean(earned: Floats, who: Ints) -> tuple[float, float]:
    """The mean of pages and its variance, by participant."""
    if not len(earned):
        return 0.0, 0.0
    _, number = np.unique(who, return_inverse=True)
    mean = float(earned.mean())
    residuals = np.bincount(number, weights=earned - mean)
    return mean, float(np.square(residuals).sum()) / len(earned) ** 2
