"""What was staged, checked before anyone can read it: contract, expectations, propensities recomputed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.errors import ContractError
from nightslate.kernels.audit import faults
from nightslate.kernels.contact_audit import FAULTS, faults_of_withheld, time_faults, withheld_faults
from nightslate.kernels.first_slot_totals import first_slot_totals
from nightslate.kernels.show_times import ShowTimes
from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.contact_rules import (
    columns_looked_at,
    contacts_tonight,
    published_before,
    shown_before,
    withheld_tonight,
)
from nightslate.pipeline.experiments import assignment_recorded
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.served_users import known_users, served_users
from nightslate.pipeline.slate_budgets import budgets, drawn_groups
from nightslate.programs.contacts import ContactRules
from nightslate.tables import Staged, Table

_SHOWN = 10
_ROUNDING = 1e-9
"""Of sums over all slates."""


def run(
    night: Night,
    users: Table,
    arms: Table,
    impressions: Table,
    features: Table,
    withheld: Table,
    allocations: Table,
    slates: Table,
) -> str:
    """Marks the staged slates of every issue as audited, or raises ContractError with what is wrong. What is
    published by now was sound before that."""
    rows, rules, day = 0, night.program.contacts, night.slate_date
    tables = [slates.of_issue(each.issue.name) for each in night.issues]
    if rules and not all(each.is_published(each.staged(day)) for each in tables):
        _audit_withheld(night, rules, users, impressions, features, withheld, slates)
    for each in night.issues:
        of_issue = slates.of_issue(each.issue.name)
        staged = of_issue.staged(night.slate_date)
        if not of_issue.is_published(staged):
            try:
                dealt = allocations.of_issue(each.issue.name)
                _audit(each, users, features, withheld, dealt, of_issue, staged)
                _audit_budgets(each, arms, of_issue, staged)
                staged.mark_audited()
            except Exception:
                # Files vanish where another process has published them meanwhile: then that is the news.
                if not of_issue.is_published(staged):
                    raise
        rows += staged.rows
    return f"{rows} slates are sound: contract, ids, floor, and propensities to 1e-12"


def _audit_withheld(
    night: Night,
    rules: ContactRules,
    users: Table,
    impressions: Table,
    features: Table,
    withheld: Table,
    slates: Table,
) -> None:
    """Raise ContractError unless those are withheld whom the contact rules withhold, by a second look. That
    all others have slates, and they have none, is what slates are held against."""
    contacts = contacts_tonight(night, rules)
    inputs, known = known_users(night, users, features, columns_looked_at(night, rules))
    inputs["impressions"] = shown_before(night, impressions, rules)
    inputs["slates"] = published_before(night, slates).of_users_in("users")
    inputs["withheld"] = withheld_tonight(night, withheld).columns(("user_id", "reason"))

    def counted(tables: Tables) -> pa.Table:
        rows = (tables[name] for name in ("impressions", "slates", "withheld"))
        return _by_fault(withheld_faults(contacts, known(tables), *rows))

    _require_none(
        night.engine.map(counted, Work(inputs, night.program.buckets)),
        "contact rules do not withhold whom the table withheld names, and nothing will be published; run the"
        " steps contacts and score again",
    )


def _audit(
    night: IssueNight,
    users: Table,
    features: Table,
    withheld: Table,
    allocations: Table,
    slates: Table,
    staged: Staged,
) -> None:
    slates.verify(staged)
    issue, slate_date, name = night.issue, night.slate_date, night.name
    inputs, served = served_users(night, users, features, withheld, ())
    times = ShowTimes.of(night.program.contacts, slate_date)
    assignment = assignment_recorded(night, allocations)
    rows = Input(staged.data_files, arrow.schema(slates.contract), partition="slate_date")
    inputs["slates"] = rows.coded(("candidates", "ranking"))

    def counted(tables: Tables) -> pa.Table:
        people = served(tables)
        found = faults(tables["slates"], people, name, slate_date, issue.floor, issue.depth, assignment)
        parts = [found.rename_columns(FAULTS.names), time_faults(tables["slates"], people, times)]
        if "withheld" in tables:
            parts.append(faults_of_withheld(tables["slates"], tables["withheld"]))
        return _by_fault(pa.concat_tables(parts))

    _require_none(
        night.engine.map(counted, Work(inputs, night.program.buckets)),
        "the staged slates are not sound and will not be published",
    )


def _by_fault(faults: pa.Table) -> pa.Table:
    """How many there are of each kind, and one of them."""
    return faults.group_by("fault").aggregate([("id", "count"), ("id", "min")])


def _require_none(by_unit: pa.Table, what: str) -> None:
    """Raise ContractError with `what` and the faults of all units, unless there are none."""
    wrong = by_unit.group_by("fault").aggregate([("id_count", "sum"), ("id_min", "min")])
    if wrong.num_rows:
        lines = [
            f"  {w['fault']}: {w['id_count_sum']} rows, such as {w['id_min_min']}"
            for w in wrong.slice(0, _SHOWN).to_pylist()
        ]
        raise ContractError(f"{what}:\n" + "\n".join(lines))


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
