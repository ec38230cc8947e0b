"""What the dashboard shows: rows of all nights, and what the program says of its issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from nightslate.programs.spec import Made
from nightslate.reports.numbers import Reward

NIGHTS = pa.schema(
    [
        ("day", pa.date32()),
        ("pages", pa.string()),
        *((name, pa.int64()) for name in ("impressions", "outcomes", "quarantine", "slates")),
        *((name, pa.float64()) for name in ("ingested", "attributed", "trained", "published")),
        *((name, pa.float64()) for name in ("compared", "assigned", "seconds")),
    ]
)


@dataclass(frozen=True)
class IssueRules:
    """What a program says of an issue. judged_by: the estimator that its gate goes by. min_ess: how many
    effective samples the gate asks for. control: the variant that others are held against, where there is
    one; region: the column of contexts that says where users are, where signals land."""

    reward: Reward
    judged_by: str
    first_champion: str
    min_ess: float
    control: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class DashboardReport:
    """All nights of one program.

    first, last: the first and the newest night that the page is about.
    rows: by table, the columns that sections read, of the nights from `first` on.
    nights: rows of NIGHTS. Names of the issues that have a page of the night, with a space between them; rows
    of tables; the seconds that a night took, in all (`seconds`) and from one of these moments to the next.
    publishes: what its nights are there for. Where that is no slates, the rows of users who are in a variant
    are counted in their place. moments: of a night, that it waits for, in their order; see NIGHTS.
    """

    program: str
    description: str
    first: date
    last: date
    issues: Mapping[str, IssueRules]
    rows: Mapping[str, pa.Table]
    nights: pa.Table
    publishes: Made = "slates"
    moments: Sequence[str] = ("ingested", "attributed", "trained", "published")
