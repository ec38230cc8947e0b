"""The experiment of an issue on a night: what earlier nights recorded, under the shares of this one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.experiments import Segment, reallocated, shares_of
from nightslate.kernels.assignments import Assignment
from nightslate.pipeline.night import IssueNight
from nightslate.tables import Table

OTHERS = "users.external"
"""In the night's run how many users somebody else decides for."""


def assignment_tonight(night: IssueNight, allocations: Table) -> Assignment:
    """Who is in which variant of tonight's slates: as on the last night before that knew this experiment, but
    for those whom a change of shares moves."""
    salt, shares = night.issue.salt, {name: each.share for name, each in night.issue.variants.items()}
    before = _segments_before(night, allocations, salt)
    if not before:
        return Assignment.at_first(salt, shares, night.slate_date)
    return Assignment(salt, reallocated(before, shares, night.slate_date))


def assignment_recorded(night: IssueNight, allocations: Table) -> Assignment:
    """That of tonight's slates, as the step `score` recorded it."""
    return Assignment(night.issue.salt, _segments(allocations.rows(night.slate_date, night.slate_date)))


def assignments_recorded(night: IssueNight, allocations: Table) -> tuple[list[Assignment], bool]:
    """Those by which decisions of ds may have been served: each that was ever recorded for it or, which is
    served until that is there, for the day before; and whether all of these are still there."""
    salt, (versions, kept) = night.issue.salt, ever_recorded(allocations, served_days(night.ds))
    found = [Assignment(salt, _segments(rows)) for rows in versions]
    return [each for place, each in enumerate(found) if each not in found[:place]], kept


def served_days(ds: date) -> tuple[date, date]:
    """The days of slates whose models may have made a decision of `ds`."""
    return ds, ds - timedelta(days=1)


def ever_recorded(table: Table, days: Iterable[date]) -> tuple[list[pa.Table], bool]:
    """The rows of days in each version that has replaced them, of which vacuum has kept the files; and
    whether it has of all."""
    found, kept = list[pa.Table](), True
    for day in days:
        for version in sorted({commit.version for commit in table.history(day)}, reverse=True):
            snapshot = table.snapshot(version)
            if all(file.path.exists() for file in snapshot.files(day, day)):
                found.append(snapshot.to_arrow(day, day))
            else:
                kept = False
    return found, kept


def allocation_rows(night: IssueNight, assignment: Assignment) -> list[dict[str, Any]]:
    """Rows of the table `allocations`."""
    shares = shares_of(assignment.segments)
    return [
        {
            "issue": night.issue.name,
            "experiment": assignment.salt,
            "variant": segment.variant,
            "lower": segment.lower,
            "upper": segment.upper,
            "share": round(shares[segment.variant], 12),
            "since": segment.since,
            "reason": segment.reason,
        }
        for segment in assignment.segments
    ]


def _segments_before(night: IssueNight, allocations: Table, salt: str) -> tuple[Segment, ...]:
    snapshot = allocations.snapshot()
    days = [day for day in snapshot.days() if day < night.slate_date]
    if not days:
        return ()
    rows = snapshot.to_arrow(days[-1], days[-1])
    return _segments(rows.filter(pc.field("experiment") == salt))


def _segments(rows: pa.Table) -> tuple[Segment, ...]:
    names = ("lower", "upper", "variant", "since", "reason")
    return tuple(Segment(*(row[name] for name in names)) for row in rows.sort_by("lower").to_pylist())
