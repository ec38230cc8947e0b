"""Which candidate of a tuning parameter, from the data alone."""

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError


def least_error(values: Floats, stderrs: Floats) -> int:
    """The place of the candidate with the least estimated mean squared error.

    values (J,): the estimates of the candidates, of which the first is unbiased; stderrs (J,): their standard
    errors. The bias of a candidate is estimated directly, by how far it is from the first (Su, Dimakopoulou,
    Krishnamurthy and Dudik, 2020, section 5): the least of (v_j - v_0)**2 + s_j**2, and of equal ones the
    first."""
    if values.shape != stderrs.shape or values.ndim != 1 or not values.size:
        raise InvalidInputError(f"values and stderrs must be (J,), got {values.shape} and {stderrs.shape}")
    return int(np.argmin((values - values[0]) ** 2 + stderrs**2))
