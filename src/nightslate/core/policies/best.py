"""Which arms are the best."""

import numpy as np

from nightslate.core.arrays import Bools, Floats
from nightslate.core.policies.linear_posterior import TIE


def best_shares(values: Floats, eligible: Bools | None = None) -> Floats:
    """(n, A) -> (n, A): 1 for the arm of the highest value; arms that tie share evenly. eligible (n, A):
    which arms count, at least one in a row; None means all."""
    among = values if eligible is None else np.where(eligible, values, -np.inf)
    highest = among.max(axis=1, keepdims=True)
    best = among >= highest - TIE * np.abs(highest)
    return np.asarray(best / best.sum(axis=1, keepdims=True))
