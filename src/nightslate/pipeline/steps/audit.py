"""What was staged, checked before anyone can read it: contract, expectations, propensities recomputed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.errors import ContractError
from nightslate.kernels.audit import faults
from nightslate.kernels.channel_audit import candidate_faults
from nightslate.kernels.contact_audit import faults_of_withheld, time_faults
from nightslate.kernels.first_slot_totals import first_slot_totals
from nightslate.kernels.show_times import ShowTimes
from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.channels import channels_tonight
from nightslate.pipeline.choice_audit import audit_choices
from nightslate.pipeline.consent_audit import audit_consents
from nightslate.pipeline.contact_audit import audit_withheld
from nightslate.pipeline.experiments import assignment_recorded
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.served_users import UserTables, slated_users
from nightslate.pipeline.slate_budgets import budgets, drawn_groups
from nightslate.pipeline.staged_slates import all_published, unless_published
from nightslate.tables import Staged, Table

_ROUNDING = 1e-9
"""Of sums over all slates."""


def run(
    night: Night,
    users: Table,
    arms: Table,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    withheld: Table,
    capped: Table,
    allocations: Table,
    issue_choices: Table,
    slates: Table,
) -> str:
    """Marks the staged slates of every issue as audited, or raises ContractError with what is wrong. What is
    published by now was sound before that."""
    audit_consents(night, users, impressions, features)
    known_of = UserTables(users, features, features_of_arms, risks)
    if not all_published(night, slates):
        if night.program.withholds:
            audit_withheld(night, known_of, impressions, arms, withheld, capped, slates)
        if choice := night.program.issue_choice:
            with unless_published(lambda: all_published(night, slates)):
                audit_choices(night, choice.floor, known_of, withheld, issue_choices, slates)
    rows = 0
    for each in night.issues:
        dealt, drawn = (of.of_issue(each.issue.name) for of in (allocations, issue_choices))
        rows += audit_issue(
            each, known_of, arms, withheld, capped, dealt, drawn, slates.of_issue(each.issue.name)
        )
    return f"{rows} slates are sound: contract, ids, floor, and propensities to 1e-12"


def audit_issue(
    night: IssueNight,
    known_of: UserTables,
    arms: Table,
    withheld: Table,
    capped: Table,
    allocations: Table,
    issue_choices: Table,
    slates: Table,
) -> int:
    """As `run`, of one issue; returns how many slates there are."""
    staged = slates.staged(night.slate_date)
    if not slates.is_published(staged):
        with unless_published(lambda: slates.is_published(staged)):
            _audit(night, known_of, arms, withheld, capped, allocations, issue_choices, slates, staged)
            _audit_budgets(night, arms, slates, staged)
            staged.mark_audited()
    return staged.rows


def _audit(
    night: IssueNight,
    known_of: UserTables,
    arms: Table,
    withheld: Table,
    capped: Table,
    allocations: Table,
    issue_choices: Table,
    slates: Table,
    staged: Staged,
) -> None:
    slates.verify(staged)
    issue, slate_date, name = night.issue, night.slate_date, night.name
    inputs, served = slated_users(night, known_of, arms, withheld, capped, issue_choices, ())
    times = ShowTimes.of(night.program.contacts, slate_date)
    assignment, channels = assignment_recorded(night, allocations), channels_tonight(night, arms)
    rows = Input(staged.data_files, arrow.schema(slates.contract), partition="slate_date")
    inputs["slates"] = rows.coded(("candidates", "ranking"))

    def counted(tables: Tables) -> pa.Table:
        people = served(tables)
        sound = tables["slates"], people, name, slate_date, issue.floor, issue.depth, assignment
        parts = [faults(*sound, issue.external), time_faults(tables["slates"], people, times)]
        if channels is not None:
            parts.append(candidate_faults(tables["slates"], people, channels, tables.get("capped")))
        if "withheld" in tables:
            parts.append(faults_of_withheld(tables["slates"], tables["withheld"]))
        return counts_of(pa.concat_tables(parts))

    require_sound(night.engine.map(counted, Work(inputs, night.program.buckets)))


def _audit_budgets(night: IssueNight, arms: Table, slates: Table, staged: Staged) -> None:
    """Raise ContractError where the slates' own weights exceed a budget, or where a group of its arms is not
    shown as often as these weights expect, rounded. Of several slots that is not looked at."""
    if not night.issue.budgets or night.issue.slots > 1:
        return
    rows = Input(staged.data_files, arrow.schema(slates.contract), partition="slate_date")
    rows = rows.columns(("candidates", "weights", "ranking"))
    work = Work({"slates": rows.coded(("candidates", "ranking"))}, night.program.buckets)
    found = night.engine.map(lambda tables: first_slot_totals(tables["slates"]), work)
    by_arm = found.group_by("arm_id").aggregate([("expected", "sum"), ("shown", "sum")])
    totals = {row["arm_id"]: (row["expected_sum"], row["shown_sum"]) for row in by_arm.to_pylist()}
    offered = offered_arms(night, arms)
    limits = budgets(night, offered)
    expected = np.array([totals.get(arm, (0.0, 0))[0] for arm in arm_ids(offered)])
    lines = [
        f"  budget {budget.name}: {budget.used(expected):.9g} is expected of {budget.most:.9g} at most"
        for budget in limits
        if budget.used(expected) > budget.most * (1 + _ROUNDING)
    ]
    for group in drawn_groups(limits, offered):
        mean, shown = np.sum([totals.get(arm, (0.0, 0)) for arm in group], axis=0).tolist()
        if abs(shown - mean) >= 1 + _ROUNDING * staged.rows:
            lines.append(f"  {', '.join(sorted(group))}: shown {shown:.0f} times, expected {mean:.9g}")
    if lines:
        raise ContractError("the staged slates do not keep to their budgets:\n" + "\n".join(lines))
