"""What a night's page says of what is sent, from what steps recorded."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.pipeline.contact_rules import reasons
from nightslate.pipeline.night import IssueNight
from nightslate.reports.sends import SendFigures
from nightslate.tables import Table

_MOST_CLOSED = 40


def send_figures(night: IssueNight, sends: Table, withheld: Table, capped: Table) -> SendFigures | None:
    """Those of tonight's slates of an issue; None for a program that sends nothing."""
    if night.program.sends is None:
        return None
    sent, unsent, slates = Counter[tuple[str, int]](), Counter[str](), 0
    snapshot, day = sends.snapshot(), night.slate_date
    for file in snapshot.files(day, day):
        rows = snapshot.rows_of(file, ["channel", "reason", "send_at", "zone"])
        slates += rows.num_rows
        unsent.update(rows["reason"].drop_null().to_pylist())
        sent.update(_by_hour(rows.filter(rows["send_at"].is_valid())))
    return SendFigures(
        slates=slates,
        sent=sent,
        unsent=dict(sorted(unsent.items())),
        withheld=reasons(night, withheld),
        closed=_closed(night, capped),
    )


def _by_hour(rows: pa.Table) -> Counter[tuple[str, int]]:
    """How many rows have each channel and hour of their zone's clock."""
    found = Counter[tuple[str, int]]()
    for zone in pc.unique(rows["zone"]).to_pylist():
        mine = rows.filter(pc.equal(rows["zone"], zone))
        hours = pc.hour(mine["send_at"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)))
        found.update(zip(mine["channel"].to_pylist(), hours.to_pylist(), strict=True))
    return found


def _closed(night: IssueNight, capped: Table) -> dict[str, int]:
    """How many users each channel and arm is closed to by which rule, those of the most first."""
    if not night.program.caps:
        return {}
    snapshot, found = capped.snapshot(), Counter[str]()
    for file in snapshot.files(night.slate_date, night.slate_date):
        by = snapshot.rows_of(file, ["closed", "name", "most", "period"]).group_by(
            ["closed", "name", "most", "period"]
        )
        for row in by.aggregate([([], "count_all")]).to_pylist():
            found[f"{row['closed']} {row['name']}: {row['most']} in {row['period']}"] += row["count_all"]
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CLOSED])
