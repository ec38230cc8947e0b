"""Expected exposures of arms, and rewards, over users whose choices are known: what goals and budgets are
held against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import Scoring, by_group, groups_of, in_chunks


def exposures(
    choices: pa.Table, scoring: Scoring, variants: frozenset[str], arms: tuple[str, ...], slots: int
) -> Floats:
    """(arms,) how often each is expected to be shown in the first slots to the users of some variants."""
    place = {arm: number for number, arm in enumerate(arms)}
    totals = np.zeros(len(arms))
    for chunk in in_chunks(choices):
        for group, mine in by_group(chunk):
            if group.variant in variants:
                model_arms, adjustment = scoring.model(group).arms, scoring.adjustment_of(group.variant)
                weights = scoring.weights(group, mine)
                totals[[place[arm] for arm in model_arms]] += adjustment.exposures(weights, model_arms, slots)
    return totals


def floor_exposures(
    choices: pa.Table, scoring: Scoring, variants: frozenset[str], arms: tuple[str, ...]
) -> Floats:
    """(arms,) how often each is shown in the first slot to the users of some variants because of the floor,
    whatever their weights are otherwise."""
    place = {arm: number for number, arm in enumerate(arms)}
    totals = np.zeros(len(arms))
    for group, users in groups_of(choices):
        if group.variant in variants:
            model_arms = scoring.model(group).arms
            totals[[place[arm] for arm in model_arms]] += len(users) * scoring.floor / len(model_arms)
    return totals


def expected_reward(choices: pa.Table, scoring: Scoring, variants: frozenset[str], slots: int) -> float:
    """What models expect the users of some variants to earn in the first slots; NaN where one has no view."""
    total = 0.0
    for chunk in in_chunks(choices):
        for group, mine in by_group(chunk):
            if group.variant in variants:
                if mine["expected"].null_count:
                    return float("nan")
                adjustment, arms = scoring.adjustment_of(group.variant), scoring.model(group).arms
                shown = adjustment.inclusion(scoring.weights(group, mine), arms, slots)
                total += float((shown * matrix(mine["expected"])).sum())
    return total
