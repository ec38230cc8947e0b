"""Why a user is in a variant, and what signals would change; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Tables
from nightslate.errors import ContractError, SpecError
from nightslate.kernels.buckets import buckets_of
from nightslate.kernels.conditions import holding
from nightslate.kernels.conform import Conformer
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.models.effect_files import Contribution, effects_with
from nightslate.pipeline.bucket_inputs import slates_day_input
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.log_intake import conformed_at_once, rejected_in_words
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_control import Control, control_recorded, controlled
from nightslate.pipeline.rollout_facts import Facts, signals_of
from nightslate.pipeline.served_users import UserTables, known_users
from nightslate.records.sources import data_files
from nightslate.reports.allocation import Explained, Users, WhatIf
from nightslate.tables import Table

_DAY = timedelta(days=1)


def explained(night: IssueNight, raw_id: str) -> Explained:
    """On the day of slates of the night. Raises ContractError for a user who is in no variant."""
    user = _User.of(night, raw_id)
    rows = _rows_of(night.table("assignments"), night, user)
    if not rows:
        raise ContractError(
            f"this user is in no variant on {night.slate_date}: whoever is new that day is not yet"
        )
    before = _rows_of(night.table("assignments"), replace(night, ds=night.ds - _DAY), user)
    rollouts = allowed(night)
    control = control_recorded(night, rollouts)
    asked = control.asked
    contexts, signals = _contexts_of(night, user), night.program.logs.signals
    region = contexts[signals.region].to_pylist() if signals and signals.region else []
    conditions = (condition for condition, _ in asked.ruled(night.issue.context))
    holds = (holding(contexts, condition).to_pylist() for condition in conditions)
    told_apart = {*rollouts["region"].to_pylist()} & {*region}
    return Explained(
        row=rows[0],
        before=before[0] if before else None,
        scores=_rows_of(night.table("scores"), night, user),
        contributions=_contributions(night, control, contexts),
        rules=[
            f"{rule.when}: {rule.variant}" for rule, held in zip(asked.rules, holds, strict=True) if any(held)
        ],
        allowed=[row for row in rollouts.to_pylist() if row["region"] in (told_apart or {None})],
    )


def allowed(night: IssueNight) -> pa.Table:
    """Rows of `rollouts` of the day of slates of the night, by variant those of all other regions last."""
    order = [("variant", "ascending"), ("region", "ascending")]
    return night.table("rollouts").rows(night.slate_date, night.slate_date).sort_by(order)


@dataclass(frozen=True)
class _User:
    pseudonym: str
    bucket: int

    @classmethod
    def of(cls, night: IssueNight, raw_id: str) -> Self:
        pseudonym = Pseudonymiser.from_environment()(pa.array([raw_id]))
        bucket = buckets_of(pa.table({"user_id": pseudonym}), night.program.buckets)
        return cls(pseudonym[0].as_py(), int(bucket[0]))


def what_if(night: IssueNight, signals: Path) -> WhatIf:
    """The day of slates of the night, had the signals of a file been known too. Raises ContractError where
    none of its rows is one, and SpecError where the program knows no signals."""
    if night.program.logs.signals is None:
        raise SpecError(f"{night.name} has no signals: declare `logs.signals`")
    if not signals.exists():
        raise SpecError(f"there is no file {signals}")
    conformer = Conformer(night.contract("signals"), night.ds, Pseudonymiser.from_environment())
    found = conformed_at_once([signals] if signals.is_file() else data_files(signals), conformer)
    unheeded = rejected_in_words("signals", found.rejects)
    if not found.rows.num_rows:
        raise ContractError(
            "; ".join(
                [
                    f"{signals}: no row is a signal, with name, severity, starts_at, expires_at and region",
                    *unheeded,
                ]
            )
        )
    facts = Facts.of(night, *(night.table(name) for name in Facts.READS))
    control = controlled(night, replace(facts, signals=(*facts.signals, *signals_of(found.rows))))
    assigned, would_be, moved = _counts(night, control)
    return WhatIf(allowed(night).to_pylist(), control.rows(night), assigned, would_be, moved, unheeded)


def _counts(night: IssueNight, control: Control) -> tuple[Users, Users, int]:
    """Users as they are assigned and as they would be, and how many would move."""
    assignments = night.table("assignments")
    known_of, scores = UserTables.of(night), night.table("scores")
    by, work, known = contextual_users(night, control, known_of, scores, assignments)
    there = slates_day_input(assignments, night.slate_date, ("user_id", "variant"))
    inputs = {**work.inputs, "assignments": there}

    def counted(found: Tables) -> pa.Table:
        users = known(found)
        rows = by.rows(users, found["scores"], found["before"]).select(["user_id", "variant"])
        regions = users[by.region] if by.region else pa.nulls(users.num_rows, pa.string())
        named = pa.table({"user_id": users["user_id"], "region": regions})
        now = found["assignments"].rename_columns(["user_id", "now"])
        joined = rows.join(now, "user_id").join(named, "user_id")
        return joined.group_by(["region", "now", "variant"]).aggregate([([], "count_all")])

    rows = night.engine.map(counted, replace(work, inputs=inputs)).to_pylist()
    assigned, would_be, moved = Users(), Users(), 0
    for row in rows:
        region = row["region"] or "not known"
        assigned[region, row["now"] or "none"] += row["count_all"]
        would_be[region, row["variant"]] += row["count_all"]
        moved += row["count_all"] * (row["now"] != row["variant"])
    return assigned, would_be, moved


def _contexts_of(night: IssueNight, user: _User) -> pa.Table:
    """What is known of the user of the day; no row of one who is not there."""
    wanted = [feature.name for feature in night.issue.context]
    inputs, known = known_users(night, UserTables.of(night), wanted)
    ids = pa.array([user.pseudonym])
    return known({name: each.of_bucket(user.bucket).read(ids) for name, each in inputs.items()})


def _contributions(night: IssueNight, control: Control, contexts: pa.Table) -> list[Contribution]:
    """What features of the user add to the effects that the leading model expects; none without one."""
    if control.digest is None or not contexts.num_rows:
        return []
    file = effects_with(night.mlflow, night.name, control.digest)
    return file.contributions(file.encoder(contexts)[0])


def _rows_of(table: Table, night: IssueNight, user: _User) -> list[dict[str, Any]]:
    """On the day of slates of a night."""
    day, snapshot = night.slate_date, table.snapshot()
    mine = (pc.field("user_id") == user.pseudonym) & (pc.field("experiment") == night.issue.salt)
    files = [file for file in snapshot.files(day, day) if file.bucket == user.bucket]
    return [row for file in files for row in snapshot.rows_of(file).filter(mine).to_pylist()]
