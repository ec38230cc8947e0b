"""Doubly robust (Dudik, Langford and Li, 2011): the mean of v + w (r - q). Unbiased if the propensities or
the reward model are right; with a model that expects 0 of everything it is IPS."""

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.estimators.sample import Sample


def terms(sample: Sample) -> tuple[Floats, Floats]:
    """Numerator and denominator of each row, (n,) and (n,)."""
    return sample.v_target + sample.weight * (sample.reward - sample.q_logged), np.ones_like(sample.reward)
