"""What a night adds to the choices of its models: multipliers of arms, and a penalty for more of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Float32s, Floats, Ints, Keys
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.core.policies.diversity_exposure import diversified_inclusion
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.exposure import inclusion_probabilities, tilt
from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings

_SUPPORT = 1e-3
"""The share of a model's choice that is spread over all arms before it is multiplied: no multiplier lifts an
arm from 0, and a Thompson learner says 0 of what was best in none of its draws."""


@dataclass(frozen=True)
class WeightAdjustment:
    """`multipliers`: of the models' probabilities by arm, 1 where an arm has none. `penalty`: of diversity,
    None for none; `groups`: the group of each arm, None or left out for an arm of no group."""

    multipliers: Mapping[str, float] = field(default_factory=dict)
    penalty: float | None = None
    groups: Mapping[str, str | None] = field(default_factory=dict)

    def weights(self, probabilities: Floats, arms: tuple[str, ...], floor: float) -> Float32s:
        """(n, arms) the weights that are stored, for a model's probabilities. The floor comes last, so it
        holds whatever the multipliers are."""
        if self.multipliers:
            multipliers = np.array([self.multipliers.get(arm, 1.0) for arm in arms])
            probabilities = tilt(mix_floor(probabilities, _SUPPORT).astype(np.float64), multipliers)
        return mix_floor(probabilities, floor)

    def groups_of(self, arms: tuple[str, ...]) -> list[str | None] | None:
        """The group of each arm, as it is stored; None without a penalty."""
        return None if self.penalty is None else [self.groups.get(arm) for arm in arms]

    def ranked(
        self,
        weights: AnyArray,
        arms: tuple[str, ...],
        user_keys: Keys,
        arm_keys: Keys,
        depth: int,
        eligible: Bools | None = None,
        first_among: Bools | None = None,
    ) -> tuple[Ints, Floats]:
        """(n, depth) rankings of eligible (n, A) arms (None: of all), and the propensity of each ranked arm
        given those before it. first_among: see `sample_rankings`."""
        diversity = self.diversity(arms)
        if diversity is None:
            rankings = sample_rankings(weights, user_keys, arm_keys, depth, eligible, first_among)
            return rankings, conditional_propensities(weights, rankings, eligible)
        rankings = diversity.sample_rankings(weights, user_keys, arm_keys, depth, eligible, first_among)
        return rankings, diversity.conditional_propensities(weights, rankings, eligible)

    def exposures(self, weights: AnyArray, arms: tuple[str, ...], slots: int) -> Floats:
        """(arms,) the expected number of these n users who are shown each arm in one of the first slots."""
        return np.asarray(self.inclusion(weights, arms, slots).sum(axis=0))

    def inclusion(self, weights: AnyArray, arms: tuple[str, ...], slots: int) -> Floats:
        """(n, arms) the probability that each user is shown each arm in one of the first slots."""
        diversity = self.diversity(arms)
        if diversity is None:
            return inclusion_probabilities(weights, slots)
        return diversified_inclusion(weights, slots, diversity)

    def diversity(self, arms: tuple[str, ...]) -> DiversityPenalty | None:
        """The penalty over these arms; None for none."""
        return (
            None if self.penalty is None else DiversityPenalty(self.penalty, numbered(self.groups_of(arms)))
        )


def numbered(groups: list[str | None] | None) -> Ints:
    """(A,) the same number for the same group, -1 for none."""
    names = sorted({group for group in groups or () if group is not None})
    return np.array([-1 if group is None else names.index(group) for group in groups or ()], dtype=np.int64)
