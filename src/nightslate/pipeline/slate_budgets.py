"""A program's budgets in terms of the arms of a night: what they allow, what is used, what more is worth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Budget
from nightslate.core.policies.exposure_prices import divergence_price
from nightslate.kernels.first_groups import Groups
from nightslate.models.tracking import NightRun
from nightslate.pipeline.arms import arm_ids, belonging, of_no_arm, offered_arms
from nightslate.pipeline.night import IssueNight
from nightslate.programs import slates
from nightslate.tables import Table

FILE = "budgets.json"


@dataclass(frozen=True)
class BudgetUse:
    """What a budget came to. expected: what slates use of it in expectation, of which `randomised` by users
    of randomised variants. multiplier: of its dearest arms, 1 where it is not used up. divergence_price: nats
    that one unit more would save (None where several slots are shown, for which multipliers are no
    projection). reward_price: what one unit more would earn, in the view of models (None without a view)."""

    name: str
    most: float
    expected: float
    randomised: float
    multiplier: float
    divergence_price: float | None
    reward_price: float | None


def budgets(night: IssueNight, offered: pa.Table) -> tuple[Budget, ...]:
    """The issue's budgets with a cost for each of the arms on offer. Arms that are not on offer use
    nothing."""
    return tuple(Budget(b.name, _costs(b, offered), b.most) for b in night.issue.budgets)


def budgets_of_no_arm(night: IssueNight, arms: Table) -> str:
    """A word on budgets none of whose arms is on offer, and on ids in budgets that no arm has: by a slip they
    would limit nothing. Empty where there are none."""
    offered = offered_arms(night, arms)
    unused = [budget.name for budget in budgets(night, offered) if not budget.costs.any()]
    none = f"budgets: no arm on offer on {night.ds} belongs to {', '.join(unused)}" if unused else ""
    unknown = (of_no_arm(night, arms, f"budgets.{b.name}", b.arms or b.costs) for b in night.issue.budgets)
    return "; ".join(word for word in (none, *unknown) if word)


def _costs(budget: slates.Budget, offered: pa.Table) -> Floats:
    if budget.costs:
        return np.array([budget.costs.get(arm, 0.0) for arm in arm_ids(offered)])
    return np.asarray(belonging(offered, budget).to_numpy(), dtype=np.float64)


def drawn_groups(budgets: Sequence[Budget], offered: pa.Table) -> Groups:
    """The groups of arms whose totals are kept where one slot is shown: arms that cost the same in every
    budget."""
    costs, arms = np.array([budget.costs for budget in budgets]), np.array(arm_ids(offered), dtype=object)
    kinds, kind_of = np.unique(costs, axis=1, return_inverse=True)
    groups = (frozenset(arms[kind_of == kind]) for kind in range(kinds.shape[1]) if kinds[:, kind].any())
    return tuple(sorted(groups, key=min))


def uses(
    night: IssueNight, budgets: Sequence[Budget], solution: Solution, randomised: Floats, rewards: Floats
) -> list[BudgetUse]:
    """randomised (A,): exposures of users of randomised variants; rewards (B,): see `reward_prices`, NaN
    where unknown."""
    one_slot = night.issue.slots == 1
    return [
        BudgetUse(
            name=budget.name,
            most=budget.most,
            expected=budget.used(solution.exposures),
            randomised=budget.used(randomised),
            multiplier=multiplier,
            divergence_price=divergence_price(budget, multiplier, night.issue.floor) if one_slot else None,
            reward_price=None if math.isnan(reward) else reward,
        )
        for budget, multiplier, reward in zip(
            budgets, solution.by_budget.tolist(), rewards.tolist(), strict=True
        )
    ]


def track(run: NightRun, uses: Sequence[BudgetUse]) -> None:
    """Into the night's run: figures by name, and all of it in a file."""
    for use in uses:
        run.log_params({f"budget.{use.name}.most": use.most})
        figures = {name: value for name, value in asdict(use).items() if name not in ("name", "most")}
        run.log_metrics({f"budget.{use.name}.{name}": value for name, value in figures.items()})
    if uses:
        run.log_file(json.dumps([asdict(use) for use in uses], indent=1, allow_nan=False), FILE)


def tracked_uses(night: IssueNight, run: NightRun) -> list[BudgetUse]:
    """What `track` left in the night's run, of the budgets that the program has."""
    metrics, found = run.run.data.metrics, []
    for budget in night.issue.budgets:
        prefix = f"budget.{budget.name}."
        of = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
        if of:
            figures = of["expected"], of["randomised"], of["multiplier"]
            prices = of.get("divergence_price"), of.get("reward_price")
            found.append(BudgetUse(budget.name, budget.most, *figures, *prices))
    return found
