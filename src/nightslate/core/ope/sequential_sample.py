"""What off-policy estimators of several choices in turn look at: the slots of a slate, the steps of a
trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Ints, indices
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.sample import Logged

_ABSENT = {"reward": 0.0, "q_logged": 0.0, "v_target": 0.0}


@dataclass(frozen=True, eq=False)
class SequentialSample(Logged):
    """n logged units of up to K choices in turn and one target policy; a field is (n, K) unless it says (n,).

    reward: what came of the choice.
    propensity, target_propensity: the two policies' probability of the choice, given those before it.
    q_logged, v_target: what a model expects of this choice and all later ones, given those before it, for
    the logged choice and for the target policy.
    unsupported_mass, (n,): the probability that the target gives to units which could not be logged.

    A unit with fewer than K choices has probability 1 and reward 0 in those that it lacks, which leaves every
    product and sum as it is."""

    q_logged: Floats | None = None
    v_target: Floats | None = None
    unsupported_mass: Floats | None = None

    of_units: ClassVar[frozenset[str]] = frozenset({"unsupported_mass"})

    def _shape(self, field: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2 or not shape[1]:
            raise InvalidInputError(
                f"the propensity of {self.units} must be ({self.units}, {self.choice}s), got shape {shape}"
            )
        return shape[:1] if field in self.of_units else shape

    @classmethod
    def of_rows(cls, unit: Ints, number: Ints, columns: Mapping[str, Floats], slots: int) -> Self:
        """The sample of rows of one choice each: unit (m,) is the place of the row's unit, 0 to n - 1, number
        (m,) says which choice of it, from 1 to at most `slots`, and every column is (m,).

        Raises InvalidInputError unless each unit has its choices 1 to k once each."""
        n = int(unit.max(initial=-1)) + 1
        places = indices(f"{cls.choice} - 1", number - 1, unit.shape, slots)
        filled = np.zeros((n, slots), dtype=np.int64)
        np.add.at(filled, (unit, places), 1)
        gaps = (filled > 1).any(axis=1) | (np.diff(filled, axis=1) > 0).any(axis=1) | (filled[:, 0] == 0)
        if gaps.any():
            raise InvalidInputError(
                f"{np.count_nonzero(gaps)} of {n} {cls.units} do not have their {cls.choice}s 1 to k once "
                "each"
            )
        names = {field.name for field in fields(cls)} & columns.keys()
        return cls(**{name: cls._spread(name, columns[name], unit, places, (n, slots)) for name in names})

    @classmethod
    def _spread(cls, name: str, column: AnyArray, unit: Ints, places: Ints, shape: tuple[int, int]) -> Floats:
        if name in cls.of_units:
            values = np.empty(shape[0])
            values[unit] = column
            return values
        spread = np.full(shape, _ABSENT.get(name, 1.0))
        spread[unit, places] = column
        return spread

    @property
    def slots(self) -> int:
        """K, the most choices of a unit."""
        return int(self.reward.shape[1])

    @property
    def total(self) -> Floats:
        """(n,) the reward of each unit."""
        return np.asarray(self.reward.sum(axis=1))

    @cached_property
    def cumulative_weight(self) -> Floats:
        """(n, K) the importance weight of each choice together with those before it. A sum of logarithms: the
        product of hundreds of ratios may go under what a number can hold, and come back."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.target_propensity)
        logs -= np.log(self.propensity)
        return np.asarray(np.exp(np.cumsum(logs, axis=1, out=logs), out=logs))

    @property
    def weight(self) -> Floats:
        """(n,) the importance weight of each whole unit."""
        return np.asarray(self.cumulative_weight[:, -1])

    @property
    def largest_weight(self) -> float:
        """Of whole units, and of their first choices."""
        return float(self.cumulative_weight.max(initial=0.0))
