"""Assignments that follow the context: staged, recomputed another way, and published in one commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.core.allocation import SignalEffect
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.contextual_assignments import ContextualAssignment
from nightslate.kernels.contextual_audit import assignment_faults
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import Control, control_recorded
from nightslate.pipeline.served_users import Served
from nightslate.pipeline.staged_slates import unless_published
from nightslate.tables import Staged, Table

CONTROL = "nightslate.control"
"""In the metadata of a commit to `assignments`: how many updates within the day there were, and what signals
do, as JSON."""

_UNSOUND = "the staged assignments are not sound and will not be published"


def staged_assignments(
    night: IssueNight, by: ContextualAssignment, work: Work, known: Served, assignments: Table
) -> Staged:
    """Of all users. work, known: see `contextual_users`."""

    def assigned(tables: Tables) -> dict[str, pa.Table]:
        return {"assignments": by.rows(known(tables), tables["scores"], tables["before"])}

    attempt = assignments.begin(night.slate_date)
    return night.engine.write(assigned, work, {"assignments": attempt})["assignments"]


def publish_sound(
    night: IssueNight,
    by: ContextualAssignment,
    work: Work,
    known: Served,
    assignments: Table,
    staged: Staged,
    control: Control,
) -> int:
    """Publishes staged assignments and returns the version. Raises ContractError with what is wrong with
    them."""
    if not assignments.is_published(staged):
        with unless_published(lambda: assignments.is_published(staged)):
            assignments.verify(staged)
            rows = Input(staged.data_files, arrow.schema(assignments.contract), partition="slate_date")

            def counted(tables: Tables) -> pa.Table:
                people, of_scores = known(tables), tables["scores"]
                return counts_of(
                    assignment_faults(tables["assignments"], people, of_scores, tables["before"], by)
                )

            looked_at = Work({**work.inputs, "assignments": rows}, night.program.buckets)
            require_sound(night.engine.map(counted, looked_at), _UNSOUND)
            staged.mark_audited()
    return assignments.publish(staged, {**night.commit_metadata, CONTROL: _to_json(control)})


def control_in(night: IssueNight, metadata: Mapping[str, str], rollouts: pa.Table) -> Control:
    """What the assignments of a day were made by: what the metadata of their commit says, and the rest from
    the rows of the table `rollouts`, which an update writes before it has come so far."""
    control = control_recorded(night, rollouts)
    said = json.loads(metadata[CONTROL])
    effects = {
        region or None: SignalEffect(do, factor, tuple(names))
        for region, do, factor, names in said["effects"]
    }
    return replace(
        control,
        update=said["update"],
        limits=replace(control.limits, baseline=np.array(said["shares"])),
        effects=effects,
    )


def _to_json(control: Control) -> str:
    effects = [
        (region or "", effect.do, effect.factor, effect.signals) for region, effect in control.effects.items()
    ]
    return json.dumps(
        {"update": control.update, "effects": effects, "shares": control.limits.baseline.tolist()}
    )
