"""Opens a Delta table, and creates it with its schema, partitioning and constraints where there is none."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deltalake import DeltaTable

from nightslate.contracts import Contract, delta
from nightslate.tables import damage, evolution

_CONFIGURATION = {
    # A year of nights can be told apart and rolled back to, as far as vacuum has left their files.
    "delta.logRetentionDuration": "interval 365 days",
    # As Spark has it: without a checkpoint, every commit is read whenever a table is opened.
    "delta.checkpointInterval": "10",
}


_newest: dict[Path, tuple[list[damage.LogFile], DeltaTable]] = {}
"""Of each table that this process reads, the version that it opened last: a step looks at the same tables
again and again, and to open one takes as long as to read a small day of it."""


def opened(path: Path, contract: Contract) -> DeltaTable | None:
    """The newest version of the table, or None where there is none yet. It may lack columns that may be null.
    Others read it too, so it is for reading alone: see `opened_for_change`.

    Raises SpecError where its columns differ from the contract's in any other way, DamageError where its log
    is not whole.
    """
    log = damage.check_log(path)
    if not log:
        return None
    log_then, table = _newest.get(path, ([], None))
    if table is None or log != log_then:
        table = _open(path)
        _newest[path] = log, table
    return _agreeing(table, contract)


def opened_for_change(path: Path, contract: Contract) -> DeltaTable | None:
    """As `opened`, in an object of the caller's own."""
    return _agreeing(_open(path), contract) if damage.check_log(path) else None


def _open(path: Path) -> DeltaTable:
    with damage.named(path):
        return DeltaTable(path)


def _agreeing(table: DeltaTable, contract: Contract) -> DeltaTable:
    evolution.require_partitions(table, contract)
    evolution.missing_columns(table, contract)
    return table


def opened_or_created(path: Path, contract: Contract) -> DeltaTable:
    """The newest version of the table, for a commit: with all columns and constraints of the contract.

    Raises deltalake's CommitFailedError where another process changed the table meanwhile: call it again.
    """
    create_missing(path, contract)
    table = _agreeing(_open(path), contract)
    missing = evolution.missing_columns(table, contract)
    if missing:
        # A column can be added and never taken away: Delta must be able to hold its rules.
        with _draft(path, contract):
            table.alter.add_columns(list(missing))
    evolution.bring_to_constraints(table, contract)
    return table


def create_missing(path: Path, contract: Contract) -> None:
    """Makes the table where there is none; of several processes that do so at once, one does."""
    if opened(path, contract) is not None:
        return
    # Two commits make a table (delta-rs takes no constraints at creation), so they are made aside, and one
    # rename, which fails where the table exists by now, lets everybody see both.
    with _draft(path, contract) as draft:
        try:
            draft.rename(path)
        except OSError:
            if opened(path, contract) is None:
                raise


@contextmanager
def _draft(path: Path, contract: Contract) -> Iterator[Path]:
    """An empty table of the contract beside `path`. Raises SpecError where Delta cannot hold its rules."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with damage.named(path):
            table = DeltaTable.create(
                draft,
                schema=delta.schema(contract),
                partition_by=list(contract.partitions),
                name=contract.name,
                description=contract.description,
                configuration={**_CONFIGURATION, **evolution.rules(contract)},
                raise_if_key_not_exists=False,
            )
        evolution.add_constraints(table, delta.constraints(contract))
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
