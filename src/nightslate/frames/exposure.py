"""Exposure goals over all users: the multipliers that meet them, by passes over what the models chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution, solve
from nightslate.core.policies.exposure_goals import Goal
from nightslate.frames.lists import matrix
from nightslate.frames.scoring import Scoring, by_variant

_TOTALS = pa.schema([("bucket", pa.int32()), ("totals", pa.list_(pa.float64()))])


def solve_goals(
    choices: DataFrame,
    scoring: Scoring,
    arms: tuple[str, ...],
    goals: tuple[Goal, ...],
    priorities: Floats,
    slots: int,
    tolerance: float,
    before_pass: Callable[[int], None],
) -> Solution:
    """The multipliers of `arms` that `scoring` needs to meet the goals over all users of `choices`.

    Randomised users count and are not steered, so what they are shown is summed once. `before_pass` is told
    the number of each pass, from 1. Raises InvalidInputError that names the goals which can't be met."""
    steered = frozenset(scoring.variants) - scoring.randomised
    passes = count(1)
    unsteered = exposures(choices, scoring, scoring.randomised, arms, slots)

    def over_all_users(multipliers: Floats) -> Floats:
        before_pass(next(passes))
        by_arm = dict(zip(arms, multipliers.tolist(), strict=True))
        now = replace(scoring, steering=replace(scoring.steering, multipliers=by_arm))
        return unsteered + exposures(choices, now, steered, arms, slots)

    return solve(goals, over_all_users, slots, priorities, tolerance)


def exposures(
    choices: DataFrame, scoring: Scoring, variants: frozenset[str], arms: tuple[str, ...], slots: int
) -> Floats:
    """(arms,) expected exposures in the first slots, over the users of some variants: one pass."""
    place = {arm: number for number, arm in enumerate(arms)}
    known = {variant: scoring.variants[variant][1].arms for variant in variants}
    steering = {variant: scoring.steering_of(variant) for variant in variants}
    floor, nothing = scoring.floor, np.zeros(len(arms))

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals, buckets = nothing.copy(), [None]
        for batch in batches:
            buckets = batch["bucket"].to_pylist()
            for variant, mine in by_variant(batch):
                if variant in known:
                    of, how = known[variant], steering[variant]
                    weights = how.weights(matrix(mine["probabilities"]), of, floor)
                    totals[[place[arm] for arm in of]] += how.exposures(weights, of, slots)
        yield pa.record_batch([pa.array(buckets[:1], pa.int32()), [totals.tolist()]], schema=_TOTALS)

    found = choices.mapInArrow(kernel, from_arrow_schema(_TOTALS)).toArrow().sort_by("bucket")
    # In the order of buckets, so that float sums are equal from run to run.
    return np.asarray(sum(matrix(found["totals"]), nothing))
