"""How often a slate with a diversity penalty shows each arm: what exposure goals count where there is one."""

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Floats, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.core.policies.plackett_luce import require_arms, restrict


def diversified_inclusion(weights: NDArray[np.floating], slots: int, diversity: DiversityPenalty) -> Floats:
    """(n, A): the probability that each arm is in one of the first `slots` slots; rows sum to `slots`.

    Exact, by the law of total probability over the arms before: O(A**slots) a row, so for 1 to 3 slots. With
    a penalty of 1 these are those of Plackett-Luce. Raises InvalidInputError for more slots, and where there
    are fewer arms."""
    kept = restrict(weights)
    if not 1 <= slots <= 3:
        raise InvalidInputError(f"exposures with a penalty are exact for 1 to 3 slots, got {slots}")
    require_arms(kept, slots)
    same = (diversity.groups[:, None] == diversity.groups) & (diversity.groups >= 0)
    after = np.where(same, diversity.penalty, 1.0)
    np.fill_diagonal(after, 0.0)
    included = np.empty_like(kept)
    for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 8):
        included[chunk] = _included(kept[chunk], after, slots)
    return included


def _included(rates: Floats, after: Floats, slots: int) -> Floats:
    """`after` (A, A): what is left of the rate of each arm (column) once an arm (row) is ranked."""
    first = rates / rates.sum(axis=1, keepdims=True)
    if slots == 1:
        return np.asarray(first)
    if slots == 2:
        return np.asarray(first + rates * ((first / (rates @ after.T)) @ after))
    then = (first[:, [arm]] * _included(rates * after[arm], after, slots - 1) for arm in range(len(after)))
    return np.asarray(first + sum(then))
