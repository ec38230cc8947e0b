"""The group of arms that the first arm of each user's ranking comes from, where a draw has settled that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nightslate.core.arrays import Bools, Ints

Groups = tuple[frozenset[str], ...]
"""Disjoint groups of arms; all other arms are one more."""


@dataclass(frozen=True, eq=False)
class FirstGroups:
    """drawn (n,): the number of each user's group."""

    groups: Groups
    drawn: Ints

    def take(self, places: Ints) -> FirstGroups:
        """Of some of the users."""
        return replace(self, drawn=self.drawn[places])

    def holding(self, arms: tuple[str, ...]) -> Bools:
        """(n, arms) which of them are in each user's group."""
        return np.asarray(numbers_of(self.groups, arms) == self.drawn[:, None])


def numbers_of(groups: Groups, arms: tuple[str, ...]) -> Ints:
    """(arms,) the number of each arm's group."""
    numbers = {arm: number for number, group in enumerate(groups) for arm in group}
    return np.array([numbers.get(arm, len(groups)) for arm in arms], dtype=np.int64)
