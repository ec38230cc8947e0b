"""What is used of budgets: by the slates of a night, or by what the app has shown on a day."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.pipeline.night import IssueNight
from nightslate.worlds.landing_files import names_at
from nightslate.worlds.proactive_assistance.troubles import ARMS
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
            **row,
            "expected": math.fsum(chance.get(arm, 0.0) for chance in chances for arm in arms),
            "drawn": _among(first, arms),
        }
        for row, arms in _budgets(night)
    ]


def use_of_day(night: IssueNight, shown: Ints) -> list[Row]:
    """Of the same budgets what was shown on the day of a night: places (m,) in ARMS, of its issue. What was
    expected of visits that nobody foresaw is nobody's to say."""
    arms_shown = names_at(ARMS, shown)
    return [{**row, "expected": None, "drawn": _among(arms_shown, arms)} for row, arms in _budgets(night)]


def _budgets(night: IssueNight) -> list[tuple[Row, tuple[str, ...]]]:
    said = {"ds": night.ds.isoformat(), "issue": night.issue.name}
    return [
        ({**said, "budget": budget.name, "most": budget.most}, budget.arms)
        for budget in night.issue.budgets
        if budget.arms
    ]


def _among(shown: pa.Array | pa.ChunkedArray, arms: tuple[str, ...]) -> int:
    return int(pc.sum(pc.is_in(shown, pa.array(arms))).as_py() or 0)
