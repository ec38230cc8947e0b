"""States by fold of users: what may be fitted for the users of a fold is what all others have to say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Protocol, Self, TypeVar

import numpy as np

from nightslate.core.arrays import Bools, Ints

Key = tuple[str, int]
"""What a state is of: a name, and a fold of users."""


class _Merges(Protocol):
    def merge(self, other: Self) -> Self: ...


M = TypeVar("M", bound=_Merges)


def of_others(fold_of: Ints, fold: int, folds: int) -> Bools:
    """(n,) which rows, of folds fold_of (n,), are of users of other folds; all, where there is one only."""
    return np.asarray((fold_of != fold) | (folds == 1))


def states_of_others(parts: Sequence[M]) -> tuple[M, ...]:
    """From the state of each fold, for each the state of all others; of everyone, where there is one only."""
    kept = [[p for other, p in enumerate(parts) if other != fold] or parts for fold in range(len(parts))]
    return tuple(reduce(lambda one, other: one.merge(other), states) for states in kept)
