"""Looks a table over for damage: its log, and every row of every file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from nightslate.contracts import Column, Contract, arrow, load
from nightslate.contracts.contract import ISSUE, Type
from nightslate.errors import DamageError, NightslateError
from nightslate.tables import damage
from nightslate.tables.commits import DayLog
from nightslate.tables.creation import opened
from nightslate.tables.files import rows_of_file
from nightslate.tables.snapshot import DataFile, Snapshot
from nightslate.tables.staging import newest_sealed, staged_folders

Watch = Callable[[Iterable[DataFile], str], Iterable[DataFile]]
"""Shows how far one is in some files, under a name."""


def problems(path: Path, staging: Path, watch: Watch) -> Iterator[str]:
    """What is wrong with the table in `path`, and what to do about it; nothing where all is well.

    Its rows are held against the contract of its table, without what a program sets besides: that may have
    changed since.
    """
    try:
        snapshot = snapshot_of(path)
    except NightslateError as error:
        yield str(error)
        return
    for commit in damage.cut_commits(path):
        yield str(damage.of_table(path, f"{commit} is cut short or overwritten"))
    yield from _lost_commits(snapshot, staging)
    for file in watch(snapshot.files(), "/".join(path.parts[-2:])):
        try:
            _check(file, snapshot.contract)
        except DamageError as error:
            yield str(error)


def snapshot_of(path: Path) -> Snapshot:
    """The table in `path` as it is laid out, whatever program it is of."""
    contract = load(path.name)
    if not damage.check_log(path):
        return Snapshot(contract, path, None)
    with damage.named(path):
        stored = DeltaTable(path)
    known = {column.name for column in contract.columns}
    declared = [
        Column(name=field.name, type=cast(Type, field.type.type))
        for field in stored.schema().fields
        if field.name not in known
    ]
    by_issue = ISSUE in stored.metadata().partition_columns
    contract = replace(contract.with_columns(declared), by_issue=by_issue)
    return Snapshot(contract, path, opened(path, contract))


def _lost_commits(snapshot: Snapshot, staging: Path) -> Iterator[str]:
    """A staged attempt loses its data once it is committed: where it has none, its commit must be there."""
    if staging.exists() and not staging.is_dir():
        yield f"{staging} is no folder: move it away"
        return
    for folder in staged_folders(staging):
        staged = newest_sealed(folder)
        if staged is None or staged.data.exists():
            continue
        name = "/".join(snapshot.path.parts[-2:])
        log = DayLog(name, snapshot.contract, snapshot.path, staged.day, staged.issue)
        if log.last_token() < staged.token:
            what = f"the commit of attempt {staged.id} of {staged.day} is not in its log any more"
            yield str(damage.of_table(snapshot.path, what))


def _check(file: DataFile, contract: Contract) -> None:
    """Raises DamageError for a file that is not what its commit and the contract say."""
    if file.path.is_file() and file.path.stat().st_size != file.size:
        size = file.path.stat().st_size
        raise damage.of_file(file.path, f"has {size} bytes, its commit says {file.size}")
    schema = arrow.schema(contract)
    rows = rows_of_file(file.path, schema, file.partition(contract.partition))
    for field in pq.read_schema(file.path):
        if field.name not in schema.names or field.type != schema.field(field.name).type:
            raise damage.of_file(file.path, f"holds {field.name} as {field.type}, its table does not")
    if rows.num_rows != file.rows:
        raise damage.of_file(file.path, f"has {rows.num_rows} rows, its commit says {file.rows}")
    for clause in contract.clauses():
        broken = ds.dataset(rows).count_rows(filter=arrow.violated(clause))
        if broken:
            raise damage.of_file(file.path, f"has {broken} rows that break '{clause.text}'")
