"""Inverse propensity scoring (Horvitz and Thompson, 1952): the mean of w r. Unbiased wherever the logging
policy could show all that the target would."""

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.estimators.sample import Sample


def terms(sample: Sample) -> tuple[Floats, Floats]:
    """Numerator and denominator of each row, (n,) and (n,)."""
    return sample.weight * sample.reward, np.ones_like(sample.reward)
