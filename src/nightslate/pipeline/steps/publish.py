"""One fenced commit: readers see the old slates of the day, then the new ones, never a mixture."""

from __future__ import annotations

from nightslate.errors import CommitConflictError, ContractError
from nightslate.pipeline.night import Night
from nightslate.tables import Staged, Table


def run(night: Night, slates: Table) -> str:
    """Publishes the newest staged slates of the day, those of all issues by one commit. Raises ContractError
    if they were not audited, and CommitConflictError if that is because another night of this date came
    between: it will audit them."""
    staged = [audited(night, slates.of_issue(name)) for name in night.program.issues]
    version = slates.publish_together(staged, night.commit_metadata)
    rows = sum(each.rows for each in staged)
    return f"{rows} slates of {night.slate_date} published as version {version} of the table"


def audited(night: Night, slates: Table) -> Staged:
    """The newest staged slates of the day, of one issue. Raises as `run`."""
    staged = slates.staged(night.slate_date)
    if not staged.audited and staged.overtakes_audited:
        raise CommitConflictError(
            f"another night of {night.ds} has staged slates of {night.slate_date} since the audit, and not"
            " audited them yet; try again"
        )
    if not staged.audited:
        raise ContractError(
            f"the staged slates of {night.slate_date} have not passed the audit: run the step `audit` first"
        )
    return staged
