"""One fenced commit: readers see the old slates of the day, then the new ones, never a mixture."""

from __future__ import annotations

from nightslate.errors import CommitConflictError, ContractError
from nightslate.steps.night import Night


def run(night: Night) -> str:
    """Publishes the newest staged slates of the day. Raises ContractError if they were not audited, and
    CommitConflictError if that is because another night of this date came between: it will audit them."""
    table = night.table("slates")
    staged = table.staged(night.slate_date)
    if not staged.audited and staged.overtakes_audited:
        raise CommitConflictError(
            f"another night of {night.ds} has staged slates of {night.slate_date} since the audit, and not"
            " audited them yet; try again"
        )
    if not staged.audited:
        raise ContractError(
            f"the staged slates of {night.slate_date} have not passed the audit: run the step `audit` first"
        )
    version = table.publish(staged, night.commit_metadata)
    return f"{staged.rows} slates of {night.slate_date} published as version {version} of the table"
