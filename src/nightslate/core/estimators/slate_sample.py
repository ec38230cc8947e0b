"""What an off-policy estimator of whole slates looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Ints, indices
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators.sample import Logged, largest_ratio

_OF_DECISIONS = ("pseudo_inverse_weight", "unsupported_mass")
_ABSENT = {"reward": 0.0, "q_logged": 0.0, "v_target": 0.0}


@dataclass(frozen=True, eq=False)
class SlateSample(Logged):
    """n logged decisions of up to K slots and one target policy; a field is (n, K) unless it says (n,).

    reward: what came of the arm in the slot.
    propensity, target_propensity: the two policies' probability of the arm in its slot, given the slots
    before it.
    marginal_propensity, target_marginal_propensity: the same whatever the slots before it hold.
    q_logged, v_target: what a model expects of this slot and all later ones, given the slots before, for
    the logged arm and for the target policy.
    pseudo_inverse_weight, (n,): see `pseudo_inverse`.
    unsupported_mass, (n,): the probability that the target gives to slates which could not be shown.

    A decision with fewer than K slots has probability 1 and reward 0 in those that it lacks, which leaves
    every product and sum as it is."""

    marginal_propensity: Floats | None = None
    target_marginal_propensity: Floats | None = None
    q_logged: Floats | None = None
    v_target: Floats | None = None
    pseudo_inverse_weight: Floats | None = None
    unsupported_mass: Floats | None = None

    def _shape(self, field: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2:
            raise InvalidInputError(f"a slate's propensity must be (decisions, slots), got shape {shape}")
        return shape[:1] if field in _OF_DECISIONS else shape

    @classmethod
    def of_rows(cls, decision: Ints, slot: Ints, columns: Mapping[str, Floats], slots: int) -> Self:
        """The sample of rows of one slot each: decision (m,) is the place of the row's decision, 0 to n - 1,
        slot (m,) counts from 1 to at most `slots`, and every column is (m,).

        Raises InvalidInputError unless each decision has its slots 1 to k once each."""
        n = int(decision.max(initial=-1)) + 1
        places = indices("slot - 1", slot - 1, decision.shape, slots)
        filled = np.zeros((n, slots), dtype=np.int64)
        np.add.at(filled, (decision, places), 1)
        gaps = (filled > 1).any(axis=1) | (np.diff(filled, axis=1) > 0).any(axis=1) | (filled[:, 0] == 0)
        if gaps.any():
            raise InvalidInputError(
                f"{np.count_nonzero(gaps)} of {n} decisions do not have their slots 1 to k once each"
            )
        names = {field.name for field in fields(cls)} & columns.keys()
        return cls(**{name: _spread(name, columns[name], decision, places, n, slots) for name in names})

    @property
    def slots(self) -> int:
        """K, the most slots of a decision."""
        return int(self.reward.shape[1])

    @property
    def total(self) -> Floats:
        """(n,) the reward of each decision."""
        return np.asarray(self.reward.sum(axis=1))

    @property
    def cumulative_weight(self) -> Floats:
        """(n, K) the importance weight of each slot together with those before it."""
        return np.asarray(np.cumprod(self.target_propensity / self.propensity, axis=1))

    @property
    def weight(self) -> Floats:
        """(n,) the importance weight of each whole slate."""
        return np.asarray((self.target_propensity / self.propensity).prod(axis=1))

    @property
    def largest_weight(self) -> float:
        """Of whole slates, of their first slots, of slots alone, and of the pseudo-inverse."""
        pseudo_inverse = np.zeros(0) if self.pseudo_inverse_weight is None else self.pseudo_inverse_weight
        return max(
            float(self.cumulative_weight.max(initial=0.0)),
            largest_ratio(self),
            float(np.abs(pseudo_inverse).max(initial=0.0)),
        )


def _spread(name: str, column: AnyArray, decision: Ints, places: Ints, n: int, slots: int) -> Floats:
    if name in _OF_DECISIONS:
        values = np.empty(n)
        values[decision] = column
        return values
    spread = np.full((n, slots), _ABSENT.get(name, 1.0))
    spread[decision, places] = column
    return spread
