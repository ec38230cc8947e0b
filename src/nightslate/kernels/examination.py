"""How likely each slot is looked at, and what that makes of a reward.

Of an arm in a slot the position-based model (`core.examination`) expects e(surface, slot) x its pay once
looked at. So reward / e has the mean of that pay, however rows are weighted. Weight e makes it vary least
where rewards are rare events, whose variance goes by their mean: that of reward / e goes by 1 / e (Poisson
regression with exposure e; McCullagh and Nelder, 1989). The mean of an arm is then the sum of its rewards
over the sum of its e: clicks over expected clicks (Zhang and Jones, 2007). In words: an impression teaches
what e impressions do that were surely looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.core.examination import ExaminationSums
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.folds import states_of_others
from nightslate.kernels.rewards import folds_of, weighable

POSITION_COLUMNS = ("surface", "variant")
"""What is read of impressions besides what every program reads."""


@dataclass(frozen=True, eq=False)
class Examination:
    """probabilities (S, K): how likely each slot of each surface is looked at, relative to its first slot.
    None among the surfaces (S,) stands for impressions that name none."""

    surfaces: tuple[str | None, ...]
    probabilities: Floats

    def of_impressions(self, rows: pa.Table) -> Floats:
        """(n,) of the slot of each; one in a slot beyond those that are known is looked at as in the last."""
        slots = np.minimum(rows["slot"].to_numpy(), self.probabilities.shape[1]) - 1
        return np.asarray(self.probabilities[_surface_places(rows, self.surfaces), slots])

    def of_all_slots(self, rows: pa.Table) -> Floats:
        """(n, K) of all slots on the surface of each impression."""
        return self.probabilities[_surface_places(rows, self.surfaces)]


@dataclass(frozen=True)
class Randomised:
    """Traffic that shows arms in all slots alike: that of one variant, or all where it is None.

    by_propensity: propensities are marginal, and weighting by their inverse is what makes arms alike;
    otherwise they are so by themselves."""

    variant: str | None
    by_propensity: bool

    def sums(self, rows: pa.Table, surfaces: tuple[str | None, ...], slots: int) -> ExaminationSums:
        """What it says among these impressions."""
        rows = rows.filter(pc.less_equal(rows["slot"], slots))
        if self.variant is not None:
            rows = rows.filter(pc.equal(rows["variant"], self.variant))
        if self.by_propensity:
            rows = rows.filter(pa.array(weighable(rows, "marginal")))
        return ExaminationSums.zero(len(surfaces), slots).update(
            _surface_places(rows, surfaces),
            rows["slot"].to_numpy(),
            rows["reward"].to_numpy(),
            rows["propensity"].to_numpy() if self.by_propensity else None,
        )


@dataclass(frozen=True, eq=False)
class FoldExaminations:
    """What the randomised traffic of the users of each fold says about the surfaces; no folds and no surfaces
    where no slot is to be told from another."""

    surfaces: tuple[str | None, ...]
    sums: tuple[ExaminationSums, ...]
    prior_strength: float

    @property
    def for_folds(self) -> tuple[Examination, ...]:
        """For the users of each fold, from the traffic of all others; of everyone, if there is one only."""
        return tuple(map(self._from, states_of_others(self.sums)))

    def by_surface(self) -> dict[str | None, list[float]]:
        """Of each slot, from all traffic; without surfaces where none was randomised."""
        if not self.sums:
            return {}
        everyone = reduce(ExaminationSums.merge, self.sums)
        found = zip(self.surfaces, self._from(everyone).probabilities, everyone.weight, strict=True)
        return {surface: slots.tolist() for surface, slots, weight in found if weight.any()}

    def _from(self, sums: ExaminationSums) -> Examination:
        return Examination(self.surfaces, sums.probabilities(prior_strength=self.prior_strength))


@dataclass(frozen=True)
class FoldedTraffic:
    """Randomised traffic of a program by fold of users. `surfaces`: all that are in it, and None."""

    program: str
    randomised: Randomised
    surfaces: tuple[str | None, ...]
    slots: int
    folds: int

    def initial(self) -> dict[int, ExaminationSums]:
        """By fold, what no rows say."""
        return dict.fromkeys(range(self.folds), ExaminationSums.zero(len(self.surfaces), self.slots))

    def update(self, rows: pa.Table) -> Iterator[tuple[int, ExaminationSums]]:
        """By fold, what rows of some users say."""
        fold_of = folds_of(user_keys(rows), self.program, self.folds)
        for fold in np.unique(fold_of):
            mine = rows.filter(pa.array(fold_of == fold))
            yield int(fold), self.randomised.sums(mine, self.surfaces, self.slots)


def _surface_places(rows: pa.Table, surfaces: tuple[str | None, ...]) -> Ints:
    """(n,) the place of each row's surface; nulls have one, too."""
    places = pc.index_in(rows["surface"], pa.array(surfaces, pa.string()))
    return np.asarray(places.to_numpy(), dtype=np.int64)
