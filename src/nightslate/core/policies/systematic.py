"""Systematic sampling with unequal probabilities (Madow, 1949): as many are selected as are expected to be.

Rows lie one after another on a line, each as long as its probability, and a comb of teeth at distance 1 falls
on it: a row is selected if a tooth is on it. Where the comb is shifted by a uniform number each row is
selected with exactly its probability, and of any rows in sequence as many as they expect, but for less than
one. Lengths are counted in parts of 2**-64, whose sums wrap where a tooth is: they are exact, and rows may be
gone through in parts, each of which needs the sum before it and nothing else."""

import numpy as np

from nightslate.core.arrays import Bools, Floats, Keys

_BITS = 53
"""Of a probability, the rest of 64 being zero: 1 wraps to 0."""


def lengths(probabilities: Floats) -> Keys:
    """(n,) in [0, 1], to 2**-53, as parts of 2**-64."""
    return (probabilities * 2.0**_BITS).astype(np.uint64) << np.uint64(64 - _BITS)


def total_length(probabilities: Floats) -> int:
    """Their sum in parts of 2**-64, without the whole numbers in it."""
    return int(lengths(probabilities).sum(dtype=np.uint64))


def selected(probabilities: Floats, begin: int) -> Bools:
    """(n,) which rows have a tooth. begin: where on the line the first of them begins, relative to the tooth
    before it, in parts of 2**-64; a uniform number for the first rows of all."""
    each = lengths(probabilities)
    ends = np.cumsum(each, dtype=np.uint64) + np.uint64(begin)
    return np.asarray((ends < each) | (probabilities >= 1))
