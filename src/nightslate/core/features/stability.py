"""How far a population has moved."""

from __future__ import annotations

import numpy as np

from nightslate.core.arrays import Floats, Ints

STABLE, MOVED = 0.1, 0.25
"""Under the first a population is stable, over the second it has moved (Siddiqi, 2006)."""

_PARTS = 10


def population_stability(before: Ints, now: Ints) -> float:
    """The population stability index of counts (k,) by class: the sum of (q - p) ln(q / p) over the shares p
    before and q now, which is the symmetric Kullback-Leibler divergence. Half a person more in each class
    keeps it finite. 0 where either has nobody."""
    if not before.sum() or not now.sum():
        return 0.0
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * counts.size) for counts in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


def tenths(values: Floats, counts: Ints) -> Floats:
    """Up to nine ends of classes that hold about a tenth each of values (k,), which occur so many times each.
    A value that is more than a tenth is a class of its own."""
    order = np.argsort(values)
    share = np.cumsum(counts[order]) / counts.sum()
    ends = values[order][np.searchsorted(share, np.arange(1, _PARTS) / _PARTS)]
    return np.unique(ends)
