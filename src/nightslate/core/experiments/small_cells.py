"""Which values of a segment stand together so that no cell of few users is told.

Primary suppression is of cells with fewer users than stated. Complementary suppression is of others beside
them: where a total is told and all values but one, the last one is the difference (Hundepool and others,
Statistical Disclosure Control, 2012). Here small values are merged, and the next smallest ones
with them until there are two or more and together they are no small cell themselves; then what can be told
from a total less the rest is their sum alone."""

from __future__ import annotations

import numpy as np

from nightslate.core.arrays import Bools, Ints


def merged_values(users: Ints, least: int, must: Bools) -> Bools:
    """(V,) the values that stand together, given users (V, k) of each value in each of k variants; all of
    them where nothing can be told but the total. None where no cell is small: no users are no cell. must
    (V,): values that stand with the others as soon as any do."""
    small = _few(users, least).any(axis=1)
    if not small.any():
        return np.zeros_like(small)
    merged: Bools = small | must
    for place in np.argsort(users.sum(axis=1), kind="stable"):
        if not _few(users[merged].sum(axis=0), least).any():  # so they are two or more
            break
        merged[place] = True
    return merged


def _few(users: Ints, least: int) -> Bools:
    found: Bools = (users > 0) & (users < least)
    return found
