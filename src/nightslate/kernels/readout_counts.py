"""How many users a readout is about, and what some of them count for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, Sums


@dataclass(frozen=True, eq=False)
class Sample(ArrayRecord):
    """What some users count for (n,)."""

    values: Floats

    def merge(self, other: Self) -> Self:
        """Of those of both."""
        return type(self)(np.concatenate([self.values, other.values]))


@dataclass(frozen=True, eq=False)
class Counts(Sums):
    """Of each of k variants: users assigned (k,) and exposed (k,); those exposed on the night's day, today
    (k,); of those exposed how many were shown something that names a variant (k,), and another one than they
    were assigned to (k,). rows (p,): in how many rows of logs each of p things was found that are
    measured."""

    assigned: Ints
    exposed: Ints
    today: Ints
    named: Ints
    crossed: Ints
    rows: Ints

    @classmethod
    def initial(cls, variants: int, parts: int) -> Counts:
        """Of no users."""
        nobody = np.zeros(variants, dtype=np.int64)
        return cls(nobody, nobody, nobody, nobody, nobody, np.zeros(parts, dtype=np.int64))
