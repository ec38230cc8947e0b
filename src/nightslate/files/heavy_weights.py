"""Weights that no sum can hold: whose they are, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.ope.sample import LARGEST

_NOTHING = -1e6
"""Stands for the logarithm of a weight of 0, under which no product comes back."""


def heaviest(unit: Ints, number: Ints, columns: Mapping[str, Floats]) -> tuple[int, int, float] | None:
    """The place of the row (m,) up to which the choices of its unit multiply to the largest weight, which
    choice of its unit that is, and log10 of the weight; None where no weight is too large for sums."""
    with np.errstate(divide="ignore"):
        logs = np.log10(columns["target_propensity"]) - np.log10(columns["propensity"])
    order = np.lexsort((number, unit))
    so_far = np.cumsum(np.maximum(logs[order], _NOTHING))
    begins = np.flatnonzero(np.diff(unit[order], prepend=-1))
    before = np.concatenate([[0.0], so_far])[begins]
    so_far -= np.repeat(before, np.diff(begins, append=unit.size))
    most = int(so_far.argmax()) if so_far.size else 0
    if not so_far.size or so_far[most] <= np.log10(LARGEST):
        return None
    return int(order[most]), int(number[order[most]]), float(so_far[most])
