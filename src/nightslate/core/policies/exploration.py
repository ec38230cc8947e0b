"""What keeps every arm possible."""

import numpy as np

from nightslate.core.arrays import Float32s, Floats, finite
from nightslate.core.errors import InvalidInputError

_SUM_TOLERANCE = 1e-6


def mix_floor(probabilities: Floats, floor: float) -> Float32s:
    """(1 - floor) p + floor / A for each row of `probabilities` (n, A), as the float32 weights that are
    stored.

    No weight is under floor / A, rounding to float32 included. These numbers are the policy: propensities
    come from them as stored, never from the probabilities before. Raises InvalidInputError unless 0 < floor
    <= 1 and each row is nonnegative and sums to 1."""
    if not 0 < floor <= 1:
        raise InvalidInputError(f"the exploration floor must be in (0, 1], got {floor}")
    if probabilities.ndim != 2 or probabilities.shape[1] == 0:
        raise InvalidInputError(
            f"probabilities must be (n, A) with at least one arm, got {probabilities.shape}"
        )
    mixed = finite("probabilities", probabilities, probabilities.shape)
    wrong = (mixed < 0).any(axis=1) | (np.abs(mixed.sum(axis=1) - 1) > _SUM_TOLERANCE)
    if wrong.any():
        raise InvalidInputError(
            f"{np.count_nonzero(wrong)} of {len(mixed)} rows are not probabilities that sum to 1"
        )
    least = floor / mixed.shape[1]
    return np.asarray(np.maximum(((1 - floor) * mixed + least).astype(np.float32), _float32_not_under(least)))


def _float32_not_under(value: float) -> np.float32:
    rounded = np.float32(value)
    above: np.float32 = np.nextafter(rounded, np.float32(np.inf))
    return rounded if float(rounded) >= value else above
