"""Expected exposures of arms over users whose choices are known, which goals are held against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import Scoring, by_variant, in_chunks


def exposures(
    choices: pa.Table, scoring: Scoring, variants: frozenset[str], arms: tuple[str, ...], slots: int
) -> Floats:
    """(arms,) how often each is expected to be shown in the first slots to the users of some variants."""
    place = {arm: number for number, arm in enumerate(arms)}
    totals = np.zeros(len(arms))
    for chunk in in_chunks(choices):
        for variant, mine in by_variant(chunk):
            if variant in variants:
                model_arms, adjustment = scoring.variants[variant].arms, scoring.adjustment_of(variant)
                weights = adjustment.weights(matrix(mine["probabilities"]), model_arms, scoring.floor)
                totals[[place[arm] for arm in model_arms]] += adjustment.exposures(weights, model_arms, slots)
    return totals
