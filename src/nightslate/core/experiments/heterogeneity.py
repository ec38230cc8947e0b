"""Whether an effect is another in some segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincc

from nightslate.core.experiments.effect import Difference


def interaction_p_value(segments: Sequence[Difference]) -> float | None:
    """How likely effects of segments differ as much by chance, if they are all the same (Cochran, 1954): the
    weighted squares about their weighted mean are chi-squared with one degree of freedom less than segments.
    Of those with a standard error; None with fewer than two."""
    known = [(each.effect, each.stderr) for each in segments if each.stderr is not None]
    if len(known) < 2:
        return None
    effects, stderrs = np.array(known, dtype=np.float64).T
    weights = stderrs**-2.0
    off = effects - np.average(effects, weights=weights)
    return float(gammaincc((len(known) - 1) / 2, float(weights @ off**2) / 2))
