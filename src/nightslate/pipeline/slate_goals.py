"""A program's exposure goals, campaign priority and diversity, in terms of the arms of a night."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Goal
from nightslate.errors import ContractError
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.pipeline.arms import arm_ids, belonging
from nightslate.pipeline.night import IssueNight


def adjustment(night: IssueNight, offered: pa.Table) -> WeightAdjustment:
    """What a night adds to the choices of its models before any goal is looked at."""
    arms, issue = arm_ids(offered), night.issue
    diversity = issue.diversity
    multipliers = dict(zip(arms, priorities(night, offered).tolist(), strict=True)) if issue.priority else {}
    if diversity is None:
        return WeightAdjustment(multipliers)
    groups = offered[diversity.by].to_pylist()
    return WeightAdjustment(multipliers, diversity.penalty, dict(zip(arms, groups, strict=True)))


def priorities(night: IssueNight, offered: pa.Table) -> Floats:
    """(A,) the campaign priority of each arm on offer, in their order; 1 where it has none.

    Raises ContractError that names the arms whose priority is not positive."""
    column = night.issue.priority
    if column is None:
        return np.ones(offered.num_rows)
    values = np.asarray(pc.fill_null(offered[column], 1.0).to_numpy())
    wrong = offered["arm_id"].filter(pa.array(~((values > 0) & np.isfinite(values)))).to_pylist()
    if wrong:
        raise ContractError(
            f"priority: {column} of the arms {', '.join(wrong)} of {night.ds} is not a number over 0; an arm"
            " that must not be shown is left out of the arms, and one without priority has none"
        )
    return values


def goals(night: IssueNight, offered: pa.Table) -> tuple[Goal, ...]:
    """The issue's exposure goals with places among the arms on offer.

    Raises ContractError that names the goals none of whose arms is on offer."""
    exposure = night.issue.exposure
    places = {goal.name: tuple(pc.indices_nonzero(belonging(offered, goal)).to_pylist()) for goal in exposure}
    empty = [name for name, of in places.items() if not of]
    if empty:
        raise ContractError(
            f"exposure: no arm of {night.ds} belongs to {', '.join(empty)}; offer one, or remove the goal"
        )
    return tuple(Goal(g.name, places[g.name], g.share, g.exposures) for g in exposure)


def reached(goals: tuple[Goal, ...], solution: Solution) -> dict[str, float]:
    """What each goal got, in its own unit: a share of all slots, or a number of exposures."""
    total = float(solution.exposures.sum()) or 1.0  # nobody is shown anything: a share of nothing is none
    got = {goal.name: float(solution.exposures[list(goal.arms)].sum()) for goal in goals}
    return {goal.name: got[goal.name] / (total if goal.share is not None else 1.0) for goal in goals}
