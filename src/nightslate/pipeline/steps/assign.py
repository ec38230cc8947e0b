"""The staged assignments: every probability recomputed another way, then published in one fenced commit."""

from __future__ import annotations

from nightslate.pipeline.assigning import publish_sound
from nightslate.pipeline.consent_audit import audit_consents
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import control_recorded
from nightslate.pipeline.served_users import UserTables
from nightslate.tables import Table


def run(
    night: IssueNight,
    users: Table,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    scores: Table,
    rollouts: Table,
    assignments: Table,
) -> str:
    """Publishes the newest staged assignments of the day. Raises ContractError with what is wrong with
    them."""
    audit_consents(night, users, impressions, features)
    staged = assignments.staged(night.slate_date)
    control = control_recorded(night, rollouts.rows(night.slate_date, night.slate_date))
    known_of = UserTables(users, features, features_of_arms, risks)
    by, work, known = contextual_users(night, control, known_of, scores, assignments)
    version = publish_sound(night, by, work, known, assignments, staged, control)
    return f"{staged.rows} assignments of {night.slate_date} published as version {version} of the table"
