"""Which issue each user got, checked before any slate of the day can be read."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.issue_choice_audit import choice_faults
from nightslate.pipeline.bucket_inputs import files_input
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_users import UserTables, choices_input, served_users
from nightslate.pipeline.staged_slates import slate_files
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
    drawn = [column.name for column in issue_choices.contract.columns]
    inputs = {
        "issue_choices": choices_input(night, issue_choices, drawn),
        "slates": files_input(slates, list(slate_files(night, slates)), ("user_id", "issue")),
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

    require_sound(night.engine.map(counted, Work(inputs, night.program.buckets)))
