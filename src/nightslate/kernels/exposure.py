"""Expected exposures of arms, and rewards, over users whose choices are known: what goals and budgets are
held against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import Scoring, by_variant, in_chunks, variants_of


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
                weights = scoring.weights(variant, mine)
                totals[[place[arm] for arm in model_arms]] += adjustment.exposures(weights, model_arms, slots)
    return totals


def floor_exposures(
    choices: pa.Table, scoring: Scoring, variants: frozenset[str], arms: tuple[str, ...]
) -> Floats:
    """(arms,) how often each is shown in the first slot to the users of some variants because of the floor,
    whatever their weights are otherwise."""
    place = {arm: number for number, arm in enumerate(arms)}
    totals = np.zeros(len(arms))
    for variant, users in variants_of(choices):
        if variant in variants:
            model_arms = scoring.variants[variant].arms
            totals[[place[arm] for arm in model_arms]] += len(users) * scoring.floor / len(model_arms)
    return totals


def expected_reward(choices: pa.Table, scoring: Scoring, variants: frozenset[str], slots: int) -> float:
    """What models expect the users of some variants to earn in the first slots; NaN where one has no view."""
    total = 0.0
    for chunk in in_chunks(choices):
        for variant, mine in by_variant(chunk):
            if variant in variants:
                if mine["expected"].null_count:
                    return float("nan")
                adjustment, arms = scoring.adjustment_of(variant), scoring.variants[variant].arms
                shown = adjustment.inclusion(scoring.weights(variant, mine), arms, slots)
                total += float((shown * matrix(mine["expected"])).sum())
    return total
