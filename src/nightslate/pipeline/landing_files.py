"""Where the logs of a day land, and how the warehouse that takes them in writes ids and users."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nightslate.errors import LandingError, SpecError
from nightslate.pipeline.night import Night
from nightslate.programs.logs import LANDED
from nightslate.records.ids import FIRST_FORM, FORM
from nightslate.records.pointed import pointed_columns_of
from nightslate.records.sources import data_files
from nightslate.tables import Snapshot, open_to_all

BUCKETS, KEY, ID_FORM = "nightslate.buckets", "nightslate.pseudonym_key", "nightslate.id_form"
"""What each commit of users says of the layout that it was written in."""

EXPIRED = "_EXPIRED"
"""Beside the landing files of a day, in place of these: why they were removed."""


def readable_by_all(night: Night, files: Mapping[str, Sequence[Path]]) -> str:
    """A word on landing files that are not kept to those who run nights."""
    if not any(open_to_all(file) for of_log in files.values() for file in of_log):
        return ""
    place = night.warehouse.landing(night.name, "users", night.ds).parents[1]
    return f". Look: every account of this machine can read the raw user ids in {place}: chmod o-rwx {place}"


def has_landed(night: Night) -> bool:
    folders = (night.warehouse.landing(night.name, log, night.ds) for log in night.program.logs.names)
    return all((folder / LANDED).is_file() for folder in folders)


def landed_files(night: Night, log: str) -> list[Path]:
    folder = night.warehouse.landing(night.name, log, night.ds)
    if not (folder / LANDED).is_file():
        if (folder / EXPIRED).is_file():
            raise LandingError(
                f"{log} of {night.ds}: its landing files were removed by"
                f" {(folder / EXPIRED).read_text('utf-8')}. To run this night again, land them again"
            )
        raise LandingError(
            f"{log} of {night.ds} has not landed: there is no {LANDED} in {folder}. Write it when the"
            " files are complete; a day without rows is a marker without files"
        )
    return data_files(folder)


def expire(folder: Path, why: str) -> bool:
    """Removes the files of a day, and leaves a word on why. The marker goes first: a day of which some files
    are gone has not landed. Returns whether there were any."""
    marker, files = folder / LANDED, data_files(folder)
    if not files and not marker.is_file():
        return False
    (folder / EXPIRED).write_text(why)
    marker.unlink(missing_ok=True)
    for path in files:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return True


def require_same_layout(users: Snapshot, layout: Mapping[str, str]) -> None:
    """A user is found by pseudonym, in the bucket that follows from it: neither may change underway."""
    if users.days():
        last = users.days()[-1]
        before = users.metadata(last)
        for name, value in layout.items():
            if before.get(name, value) != value:
                raise SpecError(
                    f"{name} is {value} now and was {before[name]} on {last}: users would not be"
                    f" found again. Put it back, or move {users.path.parent} away and backfill"
                )


def id_form_of(users: Snapshot) -> str:
    """The form of ids that the warehouse began with. Raises SpecError for one that is unknown here."""
    taken_in = (users.metadata(day) for day in reversed(users.days()))
    form = next((before.get(ID_FORM, FIRST_FORM) for before in taken_in if KEY in before), FORM)
    if form not in (FIRST_FORM, FORM):
        raise SpecError(
            f"{users.path.parent} has ids in form {form}, which this version does not know: users would not"
            " be found again. Use the version that wrote it, or move it away and backfill"
        )
    return form


def pointed_columns(night: Night, log: str, files: Sequence[Path], form: str) -> frozenset[str]:
    """The columns of ids of a log's day that are whole numbers written like 7.0: over all of its files, so
    that it does not matter how the day is split into them."""
    if form == FIRST_FORM:
        return frozenset()
    columns = night.contract(log).landing_columns
    return pointed_columns_of(files, [column.name for column in columns if column.is_id])
