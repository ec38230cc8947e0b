"""What lies beside tables and landing files and may be of a user: files on their way, of a day that is not
over, of mail, and pages."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from nightslate.forgetting.request import Request
from nightslate.forgetting.user_rows import UserRows
from nightslate.online.spool import Spool
from nightslate.sending.journal import Journal
from nightslate.tables import Table, Warehouse
from nightslate.tables.staging import attempts, staged_folders

_SHOWN = 8
"""Of a pseudonym, pages show so many characters."""


def land_what_is_served(warehouse: Warehouse, program: str) -> None:
    """What the app has taken in, so that it is found where logs land. Raises CommitConflictError while it
    runs: what it holds in its memory would come back."""
    landing = warehouse.home / "landing" / program
    if (landing / "_served").is_dir():
        Spool(landing).close()


def discard_on_their_way(
    warehouse: Warehouse, program: str, tables: Mapping[str, Table], rows: UserRows
) -> int:
    """Attempts that were staged with rows of the user and not published, and returns how many; and all that
    tasks and updates have left, which is made anew where it is needed."""
    discarded = 0
    for table in tables.values():
        for folder in staged_folders(table.staging):
            for attempt in list(attempts(folder)):
                if any(rows.are_in(path, table.contract) for path in attempt.rglob("*.parquet")):
                    shutil.rmtree(attempt)
                    discarded += 1
    for left in (warehouse.scratch(program), warehouse.home / "updates" / program):
        shutil.rmtree(left, ignore_errors=True)
    return discarded


def take_out_of_journals(warehouse: Warehouse, program: str, pseudonym: str, request: Request) -> None:
    """What was handed over to the user by mail."""
    for folder in sorted((warehouse.home / "sending" / program).glob("????-??-??")):
        sends = Journal(folder).forget(pseudonym)
        if sends:
            request.note("sending", date.fromisoformat(folder.name), sends)
            request.save()


def remove_pages(warehouse: Warehouse, program: str, pseudonym: str) -> list[Path]:
    """Pages and Data Docs that show the user, as an example of many. Returns which."""
    shown = pseudonym[:_SHOWN].encode()
    folders = [warehouse.home / "reports" / program, warehouse.home / "reports" / "expectations" / program]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [path for path in files if shown in path.read_bytes()]
    for path in found:
        path.unlink()
    return found
