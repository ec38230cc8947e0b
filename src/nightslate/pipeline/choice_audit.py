"""Which issue each user got, checked before any slate of the day can be read."""

from __future__ import annotations

import pyarrow as pa

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables, Work
from nightslate.kernels.issue_choice_audit import choice_faults
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_users import UserTables, choices_input, served_users
from nightslate.pipeline.staged_slates import all_published, slate_files
from nightslate.tables import Table


def audit_choices(
    night: Night,
    floor: float,
    known_of: UserTables,
    withheld: Table,
    issue_choices: Table,
    slates: Table,
) -> None:
    """Raise ContractError with what is wrong in the draws of the day, and in slates of other issues than were
    drawn: those that are staged, and of issues that are published by now those that readers see."""
    if all_published(night, slates):
        return
    try:
        require_sound(_counts(night, floor, known_of, withheld, issue_choices, slates))
    except Exception:
        # Files vanish where another process has published them meanwhile: then that is the news.
        if not all_published(night, slates):
            raise


def _counts(
    night: Night,
    floor: float,
    known_of: UserTables,
    withheld: Table,
    issue_choices: Table,
    slates: Table,
) -> pa.Table:
    of_slates = Input(
        list(slate_files(night, slates)), arrow.schema(slates.contract), partition=slates.contract.partition
    )
    inputs = {
        "issue_choices": choices_input(night, issue_choices),
        "slates": of_slates.columns(("user_id", "issue")),
    }
    looked_at = {name for issue in night.program.issues.values() for name in issue.concerned_by}
    served = {}
    for each in night.issues:
        of_issue, served[each.issue.name] = served_users(each, known_of, withheld, looked_at)
        inputs |= of_issue  # the same of each
    name, slate_date = night.name, night.slate_date

    def counted(tables: Tables) -> pa.Table:
        concerned = {issue: of(tables) for issue, of in served.items()}
        choices = tables["issue_choices"]
        return counts_of(choice_faults(choices, concerned, tables["slates"], name, slate_date, floor))

    return night.engine.map(counted, Work(inputs, night.program.buckets))
