"""The users whose shares follow the context: what is read of each, and how they are put into variants."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from nightslate.engines import Work
from nightslate.kernels.contextual_assignments import BEFORE_COLUMNS, SCORE_COLUMNS, ContextualAssignment
from nightslate.pipeline.bucket_inputs import slates_day_input
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import Control
from nightslate.pipeline.rollout_rules import layer_of
from nightslate.pipeline.served_users import Served, UserTables, known_users
from nightslate.programs.conditions import columns_of
from nightslate.tables import Table


def contextual_users(
    night: IssueNight,
    control: Control,
    known_of: UserTables,
    scores: Table,
    assignments: Table,
    within_day: bool = False,
    told_apart_by: Collection[str] = (),
) -> tuple[ContextualAssignment, Work, Served]:
    """How users are put into variants on the day of slates of the night; what is read for it: the users of
    the day, their scores, and what they were assigned to last; and these users with their contexts, among
    them the columns that they are told apart by.
    within_day: what they were assigned to for the day itself, which an update moves them from."""
    asked, logs = control.asked, night.program.logs
    rules = asked.ruled(night.issue.context)
    region = logs.signals.region if logs.signals else None
    wanted = {*told_apart_by, *(name for condition, _ in rules for name in columns_of(condition))}
    inputs, known = known_users(night, known_of, {*wanted, *([region] if region else [])})
    scored = night.slate_date if night.slate_date in scores.snapshot().written() else None
    inputs["scores"] = slates_day_input(scores, scored, SCORE_COLUMNS)
    last = night.slate_date if within_day else _last_day(night, assignments)
    inputs["before"] = slates_day_input(assignments, last, BEFORE_COLUMNS)
    by = ContextualAssignment(
        issue=night.issue.name,
        salt=night.issue.salt,
        slate_date=night.slate_date,
        variants=control.variants,
        limits=control.limits,
        effects=control.effects,
        region=region,
        rules=rules,
        layer=layer_of(asked),
        least_move=asked.least_move,
        sticky=asked.sticky,
        update=control.update,
    )
    return by, Work(inputs, night.program.buckets), known


def _last_day(night: IssueNight, assignments: Table) -> date | None:
    """The last day before that users were assigned for."""
    days = [day for day in assignments.snapshot().days() if day < night.slate_date]
    return days[-1] if days else None
