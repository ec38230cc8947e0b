"""What the logging policy shows together: the second moments of a Plackett-Luce slate."""

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.leave_out import sums_of_others
from nightslate.core.policies.plackett_luce import inverse_without_pair, require_arms, restrict


def second_moments(weights: NDArray[np.floating], slots: int, eligible: Bools | None = None) -> Floats:
    """(n, slots * A, slots * A): row j A + a, column k A + b is the probability that slot j + 1 holds arm a
    and slot k + 1 holds arm b.

    This is the matrix Gamma of the pseudo-inverse estimator (Swaminathan et al., 2017), exact for 1 to 3
    slots in O(A**2) a row. A diagonal block is diagonal and holds the marginals of its slot; no arm is in two
    slots. The result takes 8 (slots A)**2 bytes a row: give as many rows at a time as memory holds. Raises
    InvalidInputError for other numbers of slots, and where a row has fewer eligible arms."""
    kept = restrict(weights, eligible)
    if not 1 <= slots <= 3:
        raise InvalidInputError(f"second moments are exact for 1 to 3 slots, got {slots}")
    require_arms(kept, slots)
    rows, arms = kept.shape
    moments = np.zeros((rows, slots, arms, slots, arms))
    for chunk in row_chunks(rows, bytes_per_row=8 * arms**2 * 6):
        _fill(moments[chunk], kept[chunk])
    return moments.reshape(rows, slots * arms, slots * arms)


def _fill(moments: Floats, weights: Floats) -> None:
    """Blocks of slots j < k, their transposes, and marginals as the sums of the blocks with slot 1."""
    slots, arms = moments.shape[1], np.arange(weights.shape[1])
    moments[:, 0, arms, 0, arms] = weights / weights.sum(axis=1, keepdims=True)
    for (j, k), block in _blocks(weights, slots).items():
        block[:, arms, arms] = 0.0
        moments[:, j, :, k, :] = block
        moments[:, k, :, j, :] = block.transpose(0, 2, 1)
        if j == 0:
            moments[:, k, arms, k, arms] = block.sum(axis=1)


def _blocks(weights: Floats, slots: int) -> dict[tuple[int, int], Floats]:
    """The pairs of slots counted from 0, each with its (n, A, A); what stands where a is b means nothing.

    Slots 1 and 2 hold a and b with probability w_a / W w_b / (W - w_a), and then slot 3 holds c with
    w_c / (W - w_a - w_b): sum b out, or a."""
    if slots == 1:
        return {}
    first = weights / weights.sum(axis=1, keepdims=True)
    pairs = (first / sums_of_others(weights))[:, :, None] * weights[:, None, :]
    if slots == 2:
        return {(0, 1): pairs}
    onward = pairs * _inverse_in_place(weights)
    third = weights[:, None, :]
    return {
        (0, 1): pairs,
        (0, 2): sums_of_others(onward) * third,
        (1, 2): sums_of_others(onward.transpose(0, 2, 1)) * third,
    }


def _inverse_in_place(weights: Floats) -> Floats:
    """(n, A, A): `inverse_without_pair` in the order in which the arms came."""
    order = np.argsort(weights, axis=1)
    inverse = inverse_without_pair(np.take_along_axis(weights, order, axis=1), np.zeros((len(weights), 1)))
    place = np.argsort(order, axis=1)
    return np.asarray(inverse[np.arange(len(weights))[:, None, None], place[:, :, None], place[:, None, :]])
