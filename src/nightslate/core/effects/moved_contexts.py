"""What those users are like whom their scores move off everyone's shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints, Sums

TOWARDS = ("control", "treatment")
"""Where they are moved to, by place."""


@dataclass(frozen=True, eq=False)
class MovedContexts(Sums):
    """Over users, by treatment (T,) and by where it is that they are moved to (2,): users (T, 2), how many
    there are; contexts (T, 2, d), the sums of their contexts."""

    users: Ints
    contexts: Floats

    @classmethod
    def initial(cls, treatments: int, features: int) -> Self:
        """Of no users."""
        shape = treatments, len(TOWARDS)
        return cls(np.zeros(shape, dtype=np.int64), np.zeros((*shape, features)))

    def update(self, contexts: Floats, moved: Bools) -> Self:
        """With users more, of contexts (n, d), who are moved (n, T, 2)."""
        sums = np.tensordot(moved.astype(np.float64), contexts, axes=(0, 0))
        return type(self)(self.users + moved.sum(axis=0), self.contexts + sums)

    @property
    def mean(self) -> Floats:
        """(T, 2, d) of their contexts; NaN where nobody is moved."""
        users = np.where(self.users > 0, self.users, np.nan)
        return np.asarray(self.contexts / users[:, :, None])
