"""What arms earn when they are shown: as it was, and corrected for whom they were shown to."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints, Keys, Sums
from nightslate.core.hashing import deal
from nightslate.core.ope.intervals.delta import Delta
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Statistic

_BINS = 512
"""Users are summed up in so many bins, by hash: an interval's width is then known to some 3 %."""


@dataclass(frozen=True)
class Response:
    """A mean reward, with its interval by user; no interval where fewer than two users, or nothing, vary."""

    value: float
    bounds: Bounds | None


@dataclass(frozen=True, eq=False)
class ArmResponses(Sums):
    """Sums over showings by arm and bin of users (A, bins): how many, rewards, and both weighed by 1 /
    propensity. chosen (A,): those that are weighed, of which there was a choice; judged, explored (A,): those
    whose arm a model of that night could have been asked about, and those of them whose arm was not the one
    that it thought best."""

    shown: Floats
    reward: Floats
    weight: Floats
    weighted: Floats
    chosen: Ints
    judged: Ints
    explored: Ints

    @classmethod
    def zero(cls, arms: int) -> Self:
        """No showings."""
        none, nothing = np.zeros((arms, _BINS)), np.zeros(arms, dtype=np.int64)
        return cls(none, none, none, none, nothing, nothing, nothing)

    def update(
        self,
        arms: Ints,
        rewards: Floats,
        weights: Floats,
        users: Keys,
        seed: int,
        judged: Bools,
        best: Bools,
    ) -> Self:
        """These and n more showings: places of arms, rewards, weights, and keys of users (n,). weights: 1 /
        propensity, 0 where no other arm could be shown. judged (n,): whether a model of that night knew the
        arm; best (n,): and thought it best."""
        shape = self.shown.shape
        cells = arms * shape[1] + deal(users, seed, shape[1])

        def summed(values: Floats) -> Floats:
            found = np.bincount(cells, weights=values, minlength=shape[0] * shape[1])
            return np.asarray(found.reshape(shape), dtype=np.float64)

        return self.merge(
            type(self)(
                summed(np.ones(arms.size)),
                summed(rewards),
                summed(weights),
                summed(rewards * weights),
                np.bincount(arms[weights > 0], minlength=shape[0]),
                np.bincount(arms[judged], minlength=shape[0]),
                np.bincount(arms[judged & ~best], minlength=shape[0]),
            )
        )

    def naive(self, arm: int, confidence: float) -> Response | None:
        """The mean reward of the showings of an arm; None where there are none."""
        return self._ratio(self.reward[arm], self.shown[arm], confidence)

    def corrected(self, arm: int, confidence: float) -> Response | None:
        """What an arm would earn if it were shown wherever it could have been, self-normalised (SNIPS)."""
        return self._ratio(self.weighted[arm], self.weight[arm], confidence)

    def exploration(self, arm: int) -> float | None:
        """The share of showings of an arm that was not thought best then; None where nobody was asked."""
        return float(self.explored[arm] / self.judged[arm]) if self.judged[arm] else None

    @staticmethod
    def _ratio(numerators: Floats, denominators: Floats, confidence: float) -> Response | None:
        statistic = Statistic(
            np.ones(1), numerators[None], denominators[None], denominators, clustered=(), sides=None, seed=0
        )
        return Response(statistic.value, Delta()(statistic, confidence)) if statistic.defined else None
