"""Permutation importance: how much a loss grows where one feature's values are shuffled across rows (Breiman,
2001; Fisher, Rudin and Dominici, 2019), by whom rows are of.

The loss of row i with the feature of row j has a part that comes with i and one that comes with j: a user's
part in the importance is the sum of both over its rows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix
from nightslate.core.ope.intervals.delta import freedom


@dataclass(frozen=True)
class Importance:
    """By how much the mean loss grows, its standard error and interval, clustered by user; None where there
    are not two users, or nothing changes at all. loss: without shuffling."""

    value: float
    loss: float
    stderr: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, eq=False)
class Permutation:
    """The rows (n,) to be shuffled: their keys, all different, their users, and what each weighs.

    Who gets whose values follows from the keys and a seed, whatever order rows are in."""

    keys: Keys
    users: Keys
    weights: Floats

    def donors(self, seed: int, repeats: int) -> Iterator[Ints]:
        """(n,) whose values each row gets, so many times over; each row gives its own once."""
        row = np.argsort(self.keys)
        for number in range(repeats):
            donor = np.empty(row.size, dtype=np.int64)
            donor[row] = row[np.argsort(mix(mix(self.keys[row], seed), number))]
            yield donor


def permutation_importance(
    rows: Permutation,
    losses: Floats,
    losses_with: Callable[[Ints], Floats],
    seed: int,
    repeats: int,
    confidence: float,
) -> Importance:
    """losses (n,): of rows as they are; losses_with: the same (n,) where each has its feature of another row,
    by place. The standard error errs on the large side, the less the more repeats there are."""
    weights = rows.weights / rows.weights.sum()
    received, given, value = np.zeros(weights.size), np.zeros(weights.size), 0.0
    for donor in rows.donors(seed, repeats):
        grown = weights * (losses_with(donor) - losses) / repeats
        received += grown
        given[donor] += grown
        value += float(grown.sum())
    _, user = np.unique(rows.users, return_inverse=True)
    share = np.bincount(user, weights=weights)
    influences = np.bincount(user, weights=received + given) - 2 * value * share
    return Importance(value, float(weights @ losses), *_spread(influences, value, confidence))


def _spread(
    influences: Floats, value: float, confidence: float
) -> tuple[float | None, float | None, float | None]:
    parts = influences.size
    if parts < 2 or not influences.any():
        return None, None, None
    stderr = math.sqrt(parts / (parts - 1) * float(np.square(influences).sum()))
    reach = float(stdtrit(freedom(influences, parts), (1 + confidence) / 2)) * stderr
    return stderr, value - reach, value + reach
