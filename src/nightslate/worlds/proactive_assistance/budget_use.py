"""What the slates of a night use of their budgets."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.pipeline.night import IssueNight
from nightslate.worlds.results import Row


def budget_use(night: IssueNight) -> list[Row]:
    """Of each budget of the issue that counts exposures of named arms: what may be used, what the slates of
    the day after use in expectation, by their own weights, and what was drawn."""
    if not night.issue.budgets:
        return []
    slates = night.table("slates").rows(night.slate_date, night.slate_date)
    first = pc.list_element(slates["ranking"], 0) if slates.num_rows else pa.array([], pa.string())
    chances = [
        dict(zip(row["candidates"], [w / math.fsum(row["weights"]) for w in row["weights"]], strict=True))
        for row in slates.select(["candidates", "weights"]).to_pylist()
    ]
    return [
        {
            "ds": night.ds.isoformat(),
            "issue": night.issue.name,
            "budget": budget.name,
            "most": budget.most,
            "expected": math.fsum(chance.get(arm, 0.0) for chance in chances for arm in budget.arms),
            "drawn": int(pc.sum(pc.is_in(first, pa.array(budget.arms))).as_py() or 0),
        }
        for budget in night.issue.budgets
        if budget.arms
    ]
