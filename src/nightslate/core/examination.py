"""How likely a slot is looked at: the position-based model.

A reward needs that the slot was examined and that the arm, once examined, pays: E[reward] = examination of
(surface, slot) x pay of the arm (Richardson et al., 2007; Craswell et al., 2008). Where arms are spread alike
over the slots of a surface, their mean pay is the same in every slot, so mean rewards are to one another as
examinations are (Joachims et al., 2017). Randomised traffic spreads them so; other traffic does when its rows
are weighted by the inverse of the marginal propensity of their arm in their slot. Only ratios can be known:
slot 1 of each surface has 1."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Sums, finite, indices
from nightslate.core.errors import InvalidInputError

LEAST = 1e-3
"""No slot is examined less often, so that dividing by an examination stays bounded."""


@dataclass(frozen=True, eq=False)
class ExaminationSums(Sums):
    """Sums over impressions by surface and slot, each (S, K): weights, their squares, weighted rewards."""

    weight: Floats
    squares: Floats
    reward: Floats

    @classmethod
    def zero(cls, n_surfaces: int, n_slots: int) -> Self:
        """No impressions yet."""
        return cls(*np.zeros((3, n_surfaces, n_slots)))

    def update(
        self, surfaces: Ints, slots: Ints, rewards: Floats, propensities: Floats | None = None
    ) -> Self:
        """These sums and n more impressions: surfaces 0..S-1, slots 1..K, rewards >= 0, all (n,).

        `propensities` (n,) are marginal: the probability that the logging policy shows this arm in this slot,
        whatever the others hold; None where each arm was as likely as any other. Raises InvalidInputError for
        values outside these, and for a propensity outside (0, 1]."""
        rows, (n_surfaces, n_slots) = len(rewards), self.weight.shape
        surfaces = indices("surfaces", surfaces, (rows,), n_surfaces)
        slots = indices("slots counted from 0", np.asarray(slots) - 1, (rows,), n_slots)
        rewards = finite("rewards", rewards, (rows,))
        if (rewards < 0).any():
            raise InvalidInputError(f"{np.count_nonzero(rewards < 0)} rewards are negative; no click is 0")
        weights = np.ones(rows) if propensities is None else _inverse(propensities, rows)
        cells, size = surfaces * n_slots + slots, n_surfaces * n_slots

        def by_cell(values: Floats) -> Floats:
            sums = np.bincount(cells, weights=values, minlength=size)
            return np.asarray(sums, dtype=np.float64).reshape(n_surfaces, n_slots)

        return self.merge(type(self)(by_cell(weights), by_cell(weights**2), by_cell(weights * rewards)))

    def probabilities(self, prior: Floats | None = None, prior_strength: float = 100.0) -> Floats:
        """(S, K): the examination of each slot relative to slot 1 of its surface, in [LEAST, 1].

        The ratio of the mean rewards of slot k and slot 1 is shrunk towards `prior` (K,) as if by
        `prior_strength` impressions of it: it counts n_1 n_k / (n_1 + n_k), which is what the variance of a
        difference of two means goes by, n being effective sample sizes. Where slot 1 never paid, the prior
        stands. The prior is 1 / slot unless given, as in Joachims et al. Raises InvalidInputError unless it
        starts with 1 and stays in (0, 1], and prior_strength > 0."""
        n_slots = self.weight.shape[1]
        expected = 1 / np.arange(1, n_slots + 1) if prior is None else finite("prior", prior, (n_slots,))
        if expected[0] != 1 or (expected <= 0).any() or (expected > 1).any():
            raise InvalidInputError(f"a prior of examination starts with 1 and is in (0, 1], got {expected}")
        if not 0 < prior_strength < float("inf"):
            raise InvalidInputError(f"prior_strength must be impressions > 0, got {prior_strength}")
        means = _ratio(self.reward, self.weight)
        effective = _ratio(self.weight**2, self.squares)
        seen = _ratio(effective[:, :1] * effective, effective[:, :1] + effective)
        seen = np.where(means[:, :1] > 0, seen, 0.0)
        relative = _ratio(means, means[:, :1])
        shrunk = (seen * relative + prior_strength * expected) / (seen + prior_strength)
        return np.clip(shrunk, LEAST, 1.0)


def _inverse(propensities: Floats, rows: int) -> Floats:
    propensities = finite("propensities", propensities, (rows,))
    bad = int(np.count_nonzero((propensities <= 0) | (propensities > 1)))
    if bad:
        raise InvalidInputError(f"{bad} of {rows} propensities are not in (0, 1]")
    return np.asarray(1 / propensities)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
