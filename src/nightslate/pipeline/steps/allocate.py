"""Who is in which variant tomorrow, where shares follow the context: staged; a reader sees nothing of it
yet."""

from __future__ import annotations

from nightslate.kernels.assignments import Assignment
from nightslate.pipeline.assigning import staged_assignments
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.experiments import allocation_rows
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import controlled
from nightslate.pipeline.rollout_facts import Facts
from nightslate.pipeline.served_users import UserTables
from nightslate.tables import Table


def run(
    night: IssueNight,
    users: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    signals: Table,
    readouts: Table,
    effect_models: Table,
    scores: Table,
    stops: Table,
    rollouts: Table,
    allocations: Table,
    assignments: Table,
) -> str:
    """A function of what nights before have recorded, of tonight's readout and scores, and of signals and
    stops as they were known: an old night moves nothing of today."""
    facts = Facts.of(night, signals, readouts, effect_models, stops, rollouts, assignments)
    control = controlled(night, facts)
    rollouts.replace(night.slate_date, rollouts.typed(control.rows(night)), night.commit_metadata)
    shares = {name: share for name, share in control.shares.items() if share > 0}
    of_everyone = Assignment.at_first(night.issue.salt, shares, night.slate_date)
    allocations.replace(
        night.slate_date, allocations.typed(allocation_rows(night, of_everyone)), night.commit_metadata
    )
    known_of = UserTables(users, features, features_of_arms, risks)
    by, work, known = contextual_users(night, control, known_of, scores, assignments)
    staged = staged_assignments(night, by, work, known, assignments)
    return f"{staged.rows} assignments of {night.slate_date} staged; {control.in_words()}"
