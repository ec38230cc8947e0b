"""The published slates, the sends of them and the variants of users, as a rec engine reads them: it knows
rankings, and no weight or propensity of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from nightslate.contracts import arrow, load

_OF_ONE_ISSUE = ("slate_id", "user_id", "variant", "ranking")
_COLUMNS = (*_OF_ONE_ISSUE, "issue")
_OF_SENDS = ("slate_id", "user_id", "variant", "arm_id", "reason", "send_at")


def newest_slates(folder: Path, day: date, users: pa.Array) -> pa.RecordBatch:
    """The newest slate of a day for each of these users, pseudonyms, in their order: slate_id, user_id,
    variant and ranking, all null for whoever has none; of a program with one issue. `folder`: of the table,
    which may not be there yet."""
    published = slates_of_day(folder, day, _OF_ONE_ISSUE)
    slates = published.take(pc.index_in(users, published["user_id"].combine_chunks()))
    arrays = [column.combine_chunks() for column in slates.columns]
    return pa.RecordBatch.from_arrays(arrays, names=list(_OF_ONE_ISSUE))


def slates_of_day(folder: Path, day: date, columns: tuple[str, ...] = _COLUMNS) -> pa.Table:
    """The newest slates of a day, of all users and issues: slate_id, user_id, variant, ranking and issue.
    `folder`: of the table, which may not be there yet."""
    return _of_day("slates", folder, day, columns)


def sends_of_day(folder: Path, day: date) -> pa.Table:
    """What is sent of a day's slates, and why not: slate_id, user_id, variant, arm_id, reason and send_at.
    `folder`: of the table, which may not be there yet."""
    return _of_day("sends", folder, day, _OF_SENDS)


def users_of_variant(folder: Path, day: date, variant: str) -> pa.Array:
    """Whom an experiment deals to a variant on a day, pseudonyms; of a program with one issue. `folder`: of
    the table of assignments, which may not be there yet."""
    assigned = _of_day("assignments", folder, day, ("user_id", "variant"))
    return assigned.filter(pc.equal(assigned["variant"], variant))["user_id"].combine_chunks()


def assignments_of_day(folder: Path, day: date) -> pa.Table:
    """Which variant users are in on a day: user_id, variant, probability and shares; of a program with one
    issue. `folder`: of the table of assignments, which may not be there yet."""
    return _of_day("assignments", folder, day, ("user_id", "variant", "probability", "shares"))


def _of_day(table: str, folder: Path, day: date, columns: tuple[str, ...]) -> pa.Table:
    if not DeltaTable.is_deltatable(str(folder)):
        return arrow.types(map(load(table).column, columns)).empty_table()
    # Of files that deltalake opens, threads of Arrow let go late: a process that ends meanwhile is aborted.
    files = SubTreeFileSystem(str(folder.absolute()), LocalFileSystem())
    newest = DeltaTable(folder).to_pyarrow_dataset(filesystem=files)
    return newest.to_table(list(columns), filter=pyarrow.dataset.field("slate_date") == day)
