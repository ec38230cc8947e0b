"""Rows of a user out of the tables of a program, by fenced commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from nightslate import contracts
from nightslate.errors import CommitConflictError
from nightslate.forgetting.request import Request
from nightslate.forgetting.user_rows import UserRows
from nightslate.tables import DataFile, Snapshot, Table, Warehouse
from nightslate.tables.inspection import snapshot_of
from nightslate.tables.rewriting import FORGOTTEN_BY, replace_files, unnamed_files

_ROUNDS = 5
_LAST = ("impressions", "outcomes")
"""Rows of other tables are found by what these say of the user."""


@dataclass(frozen=True)
class _Found:
    """Rows of the user: how many there are in each file of a day, or of one issue of it."""

    table: Table
    snapshot: Snapshot
    day: date
    issue: str | None
    counts: Mapping[DataFile, int]


def stored_tables(warehouse: Warehouse, program: str) -> dict[str, Table]:
    """Those that there are, as they are laid out, whatever the program says by now; the logs last."""
    known = contracts.tables()
    found = {}
    for name in sorted(known, key=lambda name: (name in _LAST, name)):
        table = warehouse.table(program, contracts.load(name))
        if table.path.is_dir():
            stored = snapshot_of(table.path).contract
            found[name] = Table(table.name, stored, table.path, table.staging)
    return found


def take_out(tables: Mapping[str, Table], rows: UserRows, request: Request) -> None:
    """Until there are none. Raises CommitConflictError where others keep bringing them back."""
    for _ in range(_ROUNDS):
        found = [each for table in tables.values() for each in _found(table, rows)]
        if not found:
            return
        totals: dict[tuple[str, date], int] = {}
        for each in found:
            key = f"tables/{each.table.contract.name}", each.day
            totals[key] = totals.get(key, 0) + sum(each.counts.values())
        for (place, day), count in totals.items():
            request.note(place, day, count)
        request.save()
        for each in found:
            _replace(each, rows, request.id)
    raise CommitConflictError(
        f"{found[0].table.name}: rows of the user are back after {_ROUNDS} rounds, by nights that began"
        " before. Run it again once no night of the program is running"
    )


def files_of_older_versions(tables: Mapping[str, Table], rows: UserRows) -> list[Path]:
    """The files with rows of the user that no newest version names; those of logs come last."""
    return [
        path
        for table in tables.values()
        if rows.columns(table.contract)
        for path in unnamed_files(table)
        if rows.are_in(path, table.contract)
    ]


def _found(table: Table, rows: UserRows) -> list[_Found]:
    columns = rows.columns(table.contract)
    if not columns:
        return []
    snapshot = table.snapshot()
    by_partition: dict[tuple[date, str | None], dict[DataFile, int]] = {}
    for file in snapshot.files():
        count = int(rows.among(snapshot.rows_of(file, columns)).sum())
        if count:
            by_partition.setdefault((file.day, file.issue), {})[file] = count
    return [_Found(table, snapshot, *partition, counts) for partition, counts in by_partition.items()]


def _replace(found: _Found, rows: UserRows, request: str) -> None:
    """A partition that others have replaced meanwhile is left to the next round."""
    left = {}
    for file in found.counts:
        of_file = found.snapshot.rows_of(file)
        of_user = rows.among(of_file.select(rows.columns(found.table.contract)))
        left[file.path] = of_file.filter(pa.array(~of_user))
    table = found.table if found.issue is None else found.table.of_issue(found.issue)
    try:
        replace_files(table, found.day, left, {FORGOTTEN_BY: request})
    except CommitConflictError:
        return
