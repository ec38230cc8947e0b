"""What somebody stops, or lets run again: a row in the table `stops`, which every night and update goes
by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from nightslate.errors import SpecError
from nightslate.pipeline import reallocating
from nightslate.pipeline.night import IssueNight

_SAME = ("issue", "variant", "decided_at")
"""What two rows of one decision have in common."""


def stop(
    night: IssueNight,
    variant: str | None,
    by: str,
    reason: str,
    at: datetime | None = None,
    run_again: bool = False,
) -> str:
    """Records the decision, and updates the days that users are assigned for already and that are not over by
    then; returns a line about it. variant: a treatment, None: all of them; at: when it was decided (default:
    now). Raises SpecError for what is no treatment of an allocation."""
    issue, moment = night.issue, at or datetime.now(UTC)
    treatments = list(issue.treatments)
    if issue.allocation is None:
        raise SpecError(f"{night.name} has no experiment.allocation: nothing of it can be stopped")
    if variant is not None and variant not in treatments:
        raise SpecError(f"{variant!r} is no treatment of {night.name} (there: {', '.join(treatments)})")
    _record(
        night,
        {
            "issue": issue.name,
            "experiment": issue.salt,
            "variant": variant,
            "decided_at": moment,
            "stopped": not run_again,
            "decided_by": by,
            "reason": reason,
        },
    )
    what = variant or " and ".join(treatments)
    if run_again:
        return f"{what} may run again from the next night on"
    days = [day for day in night.table("assignments").snapshot().days() if day >= moment.date()]
    if not days:
        return (
            f"{what}: stopped from the next night on; nobody is assigned for {moment:%Y-%m-%d} or later yet"
        )
    done = [f"{day}: {reallocating.run(replace(night, ds=day), moment)}" for day in days]
    return f"{what}: stopped. {'; '.join(done)}"


def _record(night: IssueNight, row: dict[str, Any]) -> None:
    """Beside what was decided on the day before it; a decision that is said again is recorded once."""
    table, day = night.table("stops"), row["decided_at"].date()
    fresh = table.typed([row])
    there = table.rows(day, day).select(fresh.schema.names)
    others = [each for each in there.to_pylist() if any(each[name] != row[name] for name in _SAME)]
    both = pa.concat_tables([table.typed(others), fresh])
    table.replace(day, both.sort_by("decided_at"), night.commit_metadata)
