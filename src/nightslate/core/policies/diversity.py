"""Slates that spread over groups: each arm already ranked makes the others of its group less likely.

At every slot the weight of an arm is its own weight times penalty ** (arms of its group ranked before it),
and the next arm is drawn in proportion, as in Plackett-Luce. Propensities slot by slot are those of rankings
as they were drawn. Drop an arm from such a ranking, and the arms behind it were drawn under a penalty that
the arms left do not explain: see `dropped_arms`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints, Keys, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.plackett_luce import (
    begun_among,
    checked_rankings,
    exponentials,
    require_arms,
    require_keys,
    restrict,
)

LEFT_OUT = "arms_removed_after_diversity"
"""Why an impression of a penalised slate is marked and left out of off-policy evaluation."""


@dataclass(frozen=True)
class DiversityPenalty:
    """penalty in (0, 1], 1 for none; groups (A,): the group of each arm, negative for an arm of no group."""

    penalty: float
    groups: Ints

    def __post_init__(self) -> None:
        if not 0 < self.penalty <= 1:
            raise InvalidInputError(f"the diversity penalty must be in (0, 1], got {self.penalty}")
        if self.groups.ndim != 1 or self.groups.dtype.kind not in "iu":
            raise InvalidInputError(
                f"groups must be integers (A,), got {self.groups.dtype} {self.groups.shape}"
            )

    def sample_rankings(
        self,
        weights: NDArray[np.floating],
        user_keys: Keys,
        arm_keys: Keys,
        depth: int,
        eligible: Bools | None = None,
        first_among: Bools | None = None,
    ) -> Ints:
        """Draw one ranking a row, (n, depth), with the clocks of `plackett_luce.sample_rankings`: a penalty
        of 1 gives the same rankings.

        When an arm is ranked, the clocks of its group run slower from there on. What is left on a clock is
        exponential whatever it has run so far, so the next to ring is drawn in proportion to the weights of
        now. Raises InvalidInputError as that function does."""
        kept = self._restricted(weights, eligible)
        require_arms(kept, depth)
        require_keys(kept, user_keys, arm_keys)
        rankings = np.empty((len(kept), depth), dtype=np.int64)
        for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 4):
            with np.errstate(divide="ignore"):
                clocks = exponentials(user_keys[chunk], arm_keys) / kept[chunk]
            if first_among is not None:
                clocks = begun_among(first_among[chunk], clocks)
            for slot in range(depth):
                place = clocks.argmin(axis=1)
                clocks -= np.take_along_axis(clocks, place[:, None], axis=1)
                clocks[self._in_group_of(place)] /= self.penalty
                np.put_along_axis(clocks, place[:, None], np.inf, axis=1)
                rankings[chunk, slot] = place
        return rankings

    def conditional_propensities(
        self, weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None
    ) -> Floats:
        """(n, depth): the probability of each ranked arm in its slot, given the slots before it.

        Exact for rankings drawn from these weights with these arms eligible. Raises InvalidInputError where a
        ranking names an arm twice or an arm that is not eligible."""
        kept = self._restricted(weights, eligible)
        rankings, _ = checked_rankings(kept, rankings)
        conditional = np.empty(rankings.shape)
        for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 3):
            rates = kept[chunk].copy()
            for slot in range(rankings.shape[1]):
                place = rankings[chunk, slot]
                shown = np.take_along_axis(rates, place[:, None], axis=1)[:, 0]
                conditional[chunk, slot] = shown / rates.sum(axis=1)
                rates[self._in_group_of(place)] *= self.penalty
                np.put_along_axis(rates, place[:, None], 0.0, axis=1)
        return conditional

    def after(self, weights: Floats, place: Ints) -> Floats:
        """Weights (n, A) once an arm of each row (n,) is shown: those of its group are less."""
        return np.where(self._in_group_of(place), weights * self.penalty, weights)

    def _restricted(self, weights: NDArray[np.floating], eligible: Bools | None) -> Floats:
        kept = restrict(weights, eligible)
        if kept.shape[1:] != self.groups.shape:
            raise InvalidInputError(f"{kept.shape[1]} arms need as many groups, got {len(self.groups)}")
        return kept

    def _in_group_of(self, place: Ints) -> Bools:
        """(n,) an arm a row -> (n, A): the arms of its group, none where it has no group."""
        group = self.groups[place][:, None]
        return np.asarray((self.groups == group) & (group >= 0))
