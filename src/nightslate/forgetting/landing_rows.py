"""Records of a user out of the landing files of a program, in which ids are raw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from nightslate import contracts
from nightslate.contracts import Contract
from nightslate.forgetting.request import Request
from nightslate.records.chunks import UnusableFileError
from nightslate.records.pointed import pointed_columns_of
from nightslate.records.removal import OfId, count, remove
from nightslate.records.sources import data_files
from nightslate.tables import Warehouse
from nightslate.tables.files import USER


def take_out(
    warehouse: Warehouse, program: str, user: str, all_as_text: bool, request: Request
) -> list[Path]:
    """Those of the days that have landed, and those that came too late for theirs. all_as_text: text is an id
    as it is, also where all of a day's is written like 7.0. Returns the files that nobody can read: what they
    hold is not known."""
    unread, found = list[Path](), list[tuple[Path, OfId, list[str]]]()
    for contract, place, day, folder in _folders(warehouse, program):
        free_text = [column.name for column in contract.landing_columns if column.free_text]
        files, total = data_files(folder), 0
        pointed = not all_as_text and USER in pointed_columns_of(files, [USER])
        wanted = OfId(USER, user, pointed)
        for file in files:
            try:
                of_user = count(file, wanted, free_text)
            except UnusableFileError:
                unread.append(file)
                continue
            total += of_user
            if of_user:
                found.append((file, wanted, free_text))
        if total:
            request.note(place, day, total)
    request.save()
    for file, wanted, free_text in found:
        remove(file, wanted, free_text)
    return unread


def _folders(warehouse: Warehouse, program: str) -> Iterator[tuple[Contract, str, date, Path]]:
    """The days of logs that name users, and of those what came too late for them; with what the place is
    called."""
    for name in contracts.tables():
        contract = contracts.load(name)
        if any(column.pseudonym for column in contract.landing_columns):
            log = warehouse.landing_log(program, name)
            for place, folder in ((f"landing/{name}", log), (f"landing/{name}/_late", log / "_late")):
                for day in sorted(folder.glob("ds=*")):
                    yield contract, place, date.fromisoformat(day.name.removeprefix("ds=")), day
