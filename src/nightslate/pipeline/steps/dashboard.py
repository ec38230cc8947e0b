"""The page of all nights of a program, from the tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from nightslate.pipeline.night import Night
from nightslate.pipeline.night_times import ENDS, seconds_between
from nightslate.reports.dashboard.dashboard_report import NIGHTS, DashboardReport, IssueRules
from nightslate.reports.dashboard.page import page, tables_read
from nightslate.reports.numbers import Reward
from nightslate.tables import Table

MOST_NIGHTS = 366
"""The newest of them; older ones stay in the tables."""

_DAY = timedelta(days=1)

Tables = Mapping[str, Table]


def run(night: Night, **tables: Table) -> str:
    """Writes reports/<program>/index.html: all nights that the tables have, whichever night this is. A page
    that another night has overtaken meanwhile is written again, so the last one to be written is right."""
    path = night.warehouse.dashboard(night.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = None
    while (versions := {name: table.snapshot().version for name, table in tables.items()}) != written:
        report = _gather(night, tables)
        _replace(path, page(report))
        written = versions
    return f"{path}: the nights of {report.first} to {report.last}"


def _replace(path: Path, html: str) -> None:
    """A reader sees the old page or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(html, "utf-8")
    new.replace(path)


def _gather(night: Night, tables: Tables) -> DashboardReport:
    publishes = night.program.publishes
    nights = tables["evaluations" if publishes == "slates" else "readout_decisions"].snapshot().days()
    signals = night.program.logs.signals
    last = nights[-1] if nights else night.ds
    first = max(nights[0] if nights else night.ds, last - (MOST_NIGHTS - 1) * _DAY)
    return DashboardReport(
        program=night.name,
        description=night.program.description,
        first=first,
        last=last,
        issues={
            name: IssueRules(
                Reward(issue.rewards.name, issue.rewards.rate),
                issue.judged_by,
                issue.gate.first_champion,
                issue.gate.min_ess,
                issue.experiment.control,
                signals.region if signals else None,
            )
            for name, issue in night.program.issues.items()
        },
        rows={
            name: tables[name].snapshot().to_arrow(first, None, columns)
            for name, columns in tables_read().items()
        },
        nights=_nights(night, tables, [day for day in nights if day >= first]),
        publishes=publishes,
        moments=[*ENDS[publishes]],
    )


def _nights(night: Night, tables: Tables, nights: list[date]) -> pa.Table:
    """What each night wrote, which pages it has and how long it took."""
    published, newest = night.published
    read = {name: name for name in ("impressions", "outcomes", "quarantine")} | {"slates": published}
    ahead = newest - night.ds
    counts = {column: _rows_by_day(tables[name]) for column, name in read.items()}
    took = seconds_between(tables, nights, ENDS[night.program.publishes])
    rows = [
        {
            "day": day,
            "pages": " ".join(
                each.issue.name
                for each in night.issues
                if night.warehouse.report(night.name, day, each.only).exists()
            ),
            **{name: counts[name].get(day + ahead if name == "slates" else day, 0) for name in counts},
            **took.get(day, {}),
            "seconds": sum(took[day].values()) if day in took else None,
        }
        for day in nights
    ]
    return pa.Table.from_pylist(rows, NIGHTS)


def _rows_by_day(table: Table) -> dict[date, int]:
    counts: dict[date, int] = {}
    for file in table.snapshot().files():
        counts[file.day] = counts.get(file.day, 0) + file.rows
    return counts
