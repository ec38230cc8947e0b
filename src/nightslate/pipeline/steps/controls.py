"""What the champion is worth against controls: policies that lack a part of it, on the same logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nightslate.pipeline.arms import offered_arms
from nightslate.pipeline.cohort_models import cohorts
from nightslate.pipeline.control_rows import control_rows
from nightslate.pipeline.decided_days import controlled, withheld_share
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.units import task_of
from nightslate.tables import Table


def run(
    night: IssueNight,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    credits: Table,
    transitions: Table,
    arms: Table,
    models: Table,
    promotions: Table,
    multipliers: Table,
    withheld: Table,
    slates: Table,
    controls: Table,
) -> str:
    """A function of the logs up to ds and of what the nights before recorded: who was champion on each day,
    and which levers its slates had."""
    rows: list[dict[str, Any]] = []
    if night.issue.evaluation.controls:
        logs = LogTables(impressions, features, features_of_arms, credits, transitions)
        decided = controlled(night, cohorts(night, models, credits), arms, promotions, multipliers)
        found = task_of(night).against_controls(night, logs, offered_arms(night, arms), decided)
        rows = control_rows(night, decided, found, withheld_share(night, decided.days, withheld, slates))
        _track(night, rows)
    controls.replace(night.ds, controls.typed(rows), night.commit_metadata)
    return _in_words(rows)


def _track(night: IssueNight, rows: Sequence[Mapping[str, Any]]) -> None:
    figures = ("value", "lower", "upper", "difference", "difference_lower", "difference_upper")
    named = {f"controls.{row['policy']}.{name}": row.get(name) for row in rows for name in figures}
    night.run().log_metrics(named)


def _in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "no controls are asked for"
    champion, *others = rows
    told = [row["policy"] for row in others if row["difference"] is not None]
    return (
        f"the champion of {champion['days']} days against {len(others)} controls;"
        f" figures of {', '.join(told) or 'none yet'}"
    )
