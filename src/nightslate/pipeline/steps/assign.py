"""The staged assignments: every probability recomputed another way, then published in one fenced commit."""

from __future__ import annotations

import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.contextual_audit import assignment_faults
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import control_recorded
from nightslate.pipeline.served_users import UserTables
from nightslate.pipeline.staged_slates import unless_published
from nightslate.tables import Table

_UNSOUND = "the staged assignments are not sound and will not be published"


def run(
    night: IssueNight,
    users: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    scores: Table,
    rollouts: Table,
    assignments: Table,
) -> str:
    """Publishes the newest staged assignments of the day. Raises ContractError with what is wrong with
    them."""
    staged = assignments.staged(night.slate_date)
    if not assignments.is_published(staged):
        with unless_published(lambda: assignments.is_published(staged)):
            assignments.verify(staged)
            control = control_recorded(night, rollouts.rows(night.slate_date, night.slate_date))
            known_of = UserTables(users, features, features_of_arms, risks)
            by, work, known = contextual_users(night, control, known_of, scores, assignments)
            rows = Input(staged.data_files, arrow.schema(assignments.contract), partition="slate_date")

            def counted(tables: Tables) -> pa.Table:
                people, of_scores = known(tables), tables["scores"]
                return counts_of(
                    assignment_faults(tables["assignments"], people, of_scores, tables["before"], by)
                )

            looked_at = Work({**work.inputs, "assignments": rows}, night.program.buckets)
            require_sound(
                night.engine.map(counted, looked_at),
                "the staged assignments are not sound and will not be published",
            )
            staged.mark_audited()
    version = assignments.publish(staged, night.commit_metadata)
    return f"{staged.rows} assignments of {night.slate_date} published as version {version} of the table"
