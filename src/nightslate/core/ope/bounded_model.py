"""A reward model that one odd row can't lead astray.

It sees numbers winsorised (Tukey, 1962), so that a value far outside of the others is the last of these, and
scaled, so that a ridge means as much for each; and it expects no reward that cannot be. DR is right whatever
a model expects, if the propensities are; but one row of which it expects too much can make up the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.policies.learner import RewardModel

OUTSIDE = 0.01
"""The share of values at each end that are pulled in to the last of the others."""


@dataclass(frozen=True, eq=False)
class Winsorised:
    """Contexts (n, d) with some columns cut at `low` and `high` and scaled to [-1, 1]; all are (d,). The
    others have infinite ends, a centre of 0 and a scale of 1."""

    low: Floats
    high: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, width: int, bounds: Mapping[int, tuple[float, float]]) -> Self:
        """Of `width` columns, some with bounds; one whose bounds are the same number is 0 everywhere."""
        low, high = np.full(width, -np.inf), np.full(width, np.inf)
        centre, scale = np.zeros(width), np.ones(width)
        for column, ends in bounds.items():
            low[column], high[column] = ends
            centre[column], scale[column] = sum(ends) / 2, (ends[1] - ends[0]) / 2 or 1.0
        return cls(low, high, centre, scale)

    def __call__(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, d)."""
        seen, cut = contexts.copy(), np.flatnonzero(np.isfinite(self.low))  # mostly few of many columns
        within = np.clip(contexts[:, cut], self.low[cut], self.high[cut])
        seen[:, cut] = (within - self.centre[cut]) / self.scale[cut]
        return seen


def inner_range(counts: Mapping[float, int], outside: float = OUTSIDE) -> tuple[float, float]:
    """The ends between which all but the share `outside` at either end of some numbers lie, which occur so
    often: the least one that has more than that share up to it, and the largest one with more from it on.
    (0, 0) of none."""
    if not counts:
        return 0.0, 0.0
    values = np.array(sorted(counts))
    up_to = np.cumsum([counts[value] for value in values.tolist()])
    most = outside * up_to[-1]
    from_on = up_to[-1] - np.concatenate([[0], up_to[:-1]])
    return float(values[np.argmax(up_to > most)]), float(
        values[values.size - 1 - np.argmax(from_on[::-1] > most)]
    )


@dataclass(frozen=True, eq=False)
class Bounded:
    """A model of winsorised contexts, whose expectations are kept from `least` to `most`."""

    model: RewardModel
    seen: Winsorised
    least: float
    most: float

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A)."""
        return np.clip(self.model.expected_rewards(self.seen(contexts)), self.least, self.most)
