"""Days that are older than the program keeps them: of tables by fenced commits, of landing files for good."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial
from pathlib import Path

from nightslate.pipeline.landing_files import expire
from nightslate.pipeline.night import Night
from nightslate.programs.days import first_day
from nightslate.programs.retention import Retention
from nightslate.tables import DataFile, Table
from nightslate.tables.rewriting import RETENTION, replace_files


def run(night: Night, **tables: Table) -> str:
    """Counted from this night: one of an old day takes nothing away that its own time had kept."""
    asked, said = night.program.retention or Retention(), []
    for name, kept in asked.tables.items():
        days = _emptied(tables[name], first_day(night.ds, kept.days), f"{kept.days}d as of {night.ds}")
        removed = tables[name].vacuum()
        said.append(f"{name}: {len(days)} days emptied, {len(removed)} files of older versions removed")
    for log, kept in asked.landing.items():
        gone, waiting = _expired(night, log, tables[log], first_day(night.ds, kept.days), kept.days)
        said.append(f"landing {log}: {gone} days removed")
        if waiting:
            said.append(f"{waiting} that no night has taken in are kept")
    return "; ".join(said)


def _emptied(table: Table, first: date, why: str) -> list[date]:
    """The days before `first` that had rows. What their nights said about them stays."""
    snapshot = table.snapshot()
    partitions: dict[tuple[date, str | None], list[DataFile]] = {}
    for file in snapshot.files():
        if file.day < first:
            partitions.setdefault((file.day, file.issue), []).append(file)
    for (day, issue), files in partitions.items():
        nothing = {file.path: snapshot.rows_of(file).slice(0, 0) for file in files}
        replace_files(table if issue is None else table.of_issue(issue), day, nothing, {RETENTION: why})
    return sorted({day for day, _ in partitions})


def _expired(night: Night, log: str, table: Table, first: date, days: int) -> tuple[int, int]:
    """How many days of landing files were removed, and how many wait for a night that takes them in."""
    written, gone, waiting = table.snapshot().written(), 0, 0
    for day, folders in _landed(night.warehouse.landing_log(night.name, log), first):
        if day not in written:
            waiting += 1
        else:
            why = f"retention.landing.{log}: {days}d, as of {night.ds}"
            gone += any(list(map(partial(expire, why=why), folders)))
    return gone, waiting


def _landed(log: Path, first: date) -> Iterable[tuple[date, list[Path]]]:
    """The days before `first` of a log, and where their files are, those too that came too late."""
    found: dict[date, list[Path]] = {}
    for folder in sorted([*log.glob("ds=????-??-??"), *log.glob("_late/ds=????-??-??")]):
        day = date.fromisoformat(folder.name.removeprefix("ds="))
        if day < first:
            found.setdefault(day, []).append(folder)
    return found.items()
