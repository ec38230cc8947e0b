"""Inverse propensity scoring (Horvitz and Thompson, 1952): the mean of w r. Unbiased wherever the logging
policy could show all that the target would. Clipped (Ionides, 2008): the mean of min(w, t) r, which trades
bias for variance; t is chosen from the data."""

import numpy as np

from nightslate.core.ope.estimator import DOUBLINGS, Estimator, Pair, mean_of_weighted
from nightslate.core.ope.sample import Sample


def _terms(sample: Sample, tuning: float) -> tuple[Pair, ...]:
    return ((np.minimum(sample.weight, tuning) * sample.reward, np.ones(sample.n)),)


def weighed(sample: Sample) -> Pair:
    """Of impressions, which have one reward each: w r and w."""
    weight = sample.weight
    return weight * sample.reward, weight


IPS = Estimator("ips", _terms, mean_of_weighted, weighing=weighed)
CLIPPED_IPS = Estimator("clipped_ips", _terms, mean_of_weighted, tunings=DOUBLINGS, weighing=weighed)
