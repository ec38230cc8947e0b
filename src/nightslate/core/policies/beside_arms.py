"""Contexts of which a part is about single arms: how often each was seen, say, or clicked."""

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class BesideArms:
    """What of a context of `width` numbers is looked at beside each arm: the places (A, k), of which some are
    the same for all arms, and others of that arm alone. So a learner sees k numbers beside any arm, and what
    it learns of those that are about an arm it can share between arms.

    Raises InvalidInputError for a place that there is not, or that an arm has twice."""

    places: Ints
    width: int

    def __post_init__(self) -> None:
        in_order = np.sort(self.places, axis=1)
        if in_order.size and not 0 <= in_order[:, 0].min() <= in_order[:, -1].max() < self.width:
            raise InvalidInputError(f"places beside arms must be in 0..{self.width - 1}")
        if (np.diff(in_order, axis=1) == 0).any():
            raise InvalidInputError("a place beside an arm is there twice")

    @property
    def features(self) -> int:
        """k."""
        return int(self.places.shape[1])

    def __call__(self, contexts: Floats, arms: Ints) -> Floats:
        """(n, d), (n,) -> (n, k): what is looked at of each context beside its arm."""
        return np.take_along_axis(contexts, self.places[arms], axis=1)

    def spread(self, coefficients: Floats) -> Floats:
        """(A, ..., k) -> (A, ..., d): of what is looked at beside each arm as of the whole context, 0 for the
        rest: products with contexts are the same."""
        arms, between = len(coefficients), coefficients.shape[1:-1]
        whole = np.zeros((arms, *between, self.width))
        places = self.places.reshape(arms, *(1 for _ in between), -1)
        np.put_along_axis(whole, np.broadcast_to(places, coefficients.shape), coefficients, axis=-1)
        return whole
