"""Policies that know arms by rows of arrays: of such a policy some arms are some rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Bools, Float32s, Ints


@dataclass(frozen=True, eq=False)
class ByArm(ArrayRecord):
    """`by_arm`: the fields that have a row for each arm, in the order of their places."""

    by_arm: ClassVar[tuple[str, ...]] = ()

    def among(self, places: Ints) -> Self:
        """The policy that has seen the same and chooses among these arms alone: what it knows of each is what
        it was."""
        rows = {name: getattr(self, name) for name in self.by_arm}
        return replace(self, **{name: array[places] for name, array in rows.items() if array.size})


def weights_among(eligible: Bools, weights_of: Callable[[Ints, Ints], Float32s]) -> Float32s:
    """(n, A) the weights of policies that choose among the arms that are eligible (n, A) in each row alone, 0
    of all others. weights_of: given the places of rows (r,), and of the arms (m,) that are eligible in all of
    them, their weights (r, m)."""
    weights = np.zeros(eligible.shape, dtype=np.float32)
    sets, set_of = np.unique(eligible, axis=0, return_inverse=True)
    for number, arms in enumerate(map(np.flatnonzero, sets)):
        rows = np.flatnonzero(set_of == number)
        if arms.size and rows.size:
            weights[np.ix_(rows, arms)] = weights_of(rows, arms)
    return weights
