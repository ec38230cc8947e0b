"""A program's exposure goals, campaign priority and diversity, in terms of the arms of a night."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Goal
from nightslate.errors import ContractError
from nightslate.kernels.slate_weights import Steering
from nightslate.programs.slates import ExposureGoal
from nightslate.steps.night import Night


def steering(night: Night) -> Steering:
    """What a night adds to the choices of its models before any goal is looked at."""
    arms, diversity = night.arms(), night.program.diversity
    multipliers = dict(zip(arms, priorities(night).tolist(), strict=True)) if night.program.priority else {}
    if diversity is None:
        return Steering(multipliers)
    groups = night.rows("arms").sort_by("arm_id")[diversity.by].to_pylist()
    return Steering(multipliers, diversity.penalty, dict(zip(arms, groups, strict=True)))


def priorities(night: Night) -> Floats:
    """(A,) the campaign priority of each arm, in the order of `night.arms()`; 1 where it has none.

    Raises ContractError that names the arms whose priority is not positive."""
    arms, column = night.rows("arms").sort_by("arm_id"), night.program.priority
    if column is None:
        return np.ones(arms.num_rows)
    values = np.asarray(pc.fill_null(arms[column], 1.0).to_numpy())
    wrong = arms["arm_id"].filter(pa.array(~((values > 0) & np.isfinite(values)))).to_pylist()
    if wrong:
        raise ContractError(
            f"priority: {column} of the arms {', '.join(wrong)} of {night.ds} is not a number over 0; an arm"
            " that must not be shown is left out of the arms, and one without priority has none"
        )
    return values


def goals(night: Night) -> tuple[Goal, ...]:
    """The program's exposure goals with places in `night.arms()`.

    Raises ContractError that names the goals none of whose arms is on offer."""
    arms = night.rows("arms").sort_by("arm_id")
    places = {goal.name: _places(goal, arms) for goal in night.program.exposure}
    empty = [name for name, of in places.items() if not of]
    if empty:
        raise ContractError(
            f"exposure: no arm of {night.ds} belongs to {', '.join(empty)}; offer one, or remove the goal"
        )
    return tuple(Goal(g.name, places[g.name], g.share, g.exposures) for g in night.program.exposure)


def reached(goals: tuple[Goal, ...], solution: Solution) -> dict[str, float]:
    """What each goal got, in its own unit: a share of all slots, or a number of exposures."""
    total = float(solution.exposures.sum())
    got = {goal.name: float(solution.exposures[list(goal.arms)].sum()) for goal in goals}
    return {goal.name: got[goal.name] / (total if goal.share is not None else 1.0) for goal in goals}


def _places(goal: ExposureGoal, arms: pa.Table) -> tuple[int, ...]:
    conditions = (
        [pc.equal(arms[feature], value) for feature, value in goal.where.items()]
        if goal.where
        else [pc.is_in(arms["arm_id"], pa.array(goal.arms))]
    )
    belongs = pc.fill_null(reduce(pc.and_, conditions), False)
    return tuple(pc.indices_nonzero(belongs).to_pylist())
