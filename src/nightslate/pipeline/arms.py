"""The arms that are on offer on a day, for one issue."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import first_day
from nightslate.programs.issue import ArmChoice
from nightslate.programs.slates import Budget, ExposureGoal
from nightslate.tables import Table

_MOST_NAMED = 10


def offered_arms(night: IssueNight, arms: Table) -> pa.Table:
    """The day's arms that the issue chooses among, with their features, by `arm_id`."""
    return chosen(arms.rows(night.ds, night.ds).sort_by("arm_id"), night.issue.arms)


def chosen(arms: pa.Table, choice: ArmChoice) -> pa.Table:
    """Those among some arms that an issue chooses among."""
    return arms.filter(belonging(arms, choice)) if choice.ids or choice.where else arms


def arm_ids(offered: pa.Table) -> tuple[str, ...]:
    """The ids of arms, in their order."""
    return tuple(offered["arm_id"].to_pylist())


def last_values(offered: pa.Table, category: str) -> dict[str, str]:
    """Of arms on offer on several days, in the order of days, what each that has a value had last."""
    last = dict(zip(offered["arm_id"].to_pylist(), offered[category].to_pylist(), strict=True))
    return {arm: value for arm, value in last.items() if value is not None}


def costs_of_no_arm(night: IssueNight, arms: Table) -> str:
    """A word on costs of arms that nobody has seen: by a slip of their ids they would cost nothing. Empty
    where there are none."""
    return of_no_arm(night, arms, "rewards.costs", night.issue.rewards.costs)


def baseline_of_no_arm(night: IssueNight, arms: Table) -> str:
    """A word on an arm that stands for doing nothing and that nobody has seen: there is no uplift then. Empty
    where it was, or the program names none."""
    asked = night.issue.uplift
    return of_no_arm(night, arms, "uplift.baseline", {asked.baseline} if asked else ())


def of_no_arm(night: IssueNight, arms: Table, key: str, ids: Collection[str]) -> str:
    """A word on the ids in a key of the program that were not on offer on any day that learners are fitted
    on. Empty where there are none."""
    if not ids:
        return ""
    window = night.issue.training.window_days
    offered = arms.snapshot().to_arrow(first_day(night.ds, window), night.ds, ["arm_id"])
    unknown = sorted({*ids} - {*pc.unique(offered["arm_id"]).to_pylist()})
    if not unknown:
        return ""
    named = ", ".join(map(repr, unknown[:_MOST_NAMED]))
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    return f"{key} has {named}{more}: no arm of the {window} days up to {night.ds} is called so"


def belonging(arms: pa.Table, choice: ArmChoice | ExposureGoal | Budget) -> pa.ChunkedArray:
    """(n,) which arms are meant: by id, or by the features that all of them have."""
    ids = choice.ids if isinstance(choice, ArmChoice) else choice.arms
    conditions = (
        [pc.equal(arms[feature], value) for feature, value in choice.where.items()]
        if choice.where
        else [pc.is_in(arms["arm_id"], pa.array(ids, pa.string()))]
    )
    return pc.fill_null(reduce(pc.and_, conditions), False)
