"""From staged files to files of the table: where they go, what Delta is told about them."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from deltalake.transaction import AddAction

from nightslate.contracts import Contract
from nightslate.tables.staging import Staged


def placed(staged: Staged, contract: Contract, table: Path) -> list[AddAction]:
    """Puts the staged files into the table's folder, under names that sort by bucket and part.

    Nobody sees them there until a commit names them. The names follow from the attempt, so that a publish
    that was killed finds its own files when it is run again; what no commit names, `vacuum` removes.
    """
    values = partition_values(contract, staged.day, staged.issue)
    folder = Path(*(f"{column}={value}" for column, value in values.items()))
    (table / folder).mkdir(parents=True, exist_ok=True)
    actions = []
    for name, source, rows in _named(staged):
        link(source, table / folder / name)
        actions.append(added(table, folder / name, values, rows))
    return actions


def partition_values(contract: Contract, day: date, issue: str | None) -> dict[str, str]:
    """A partition as Delta's log names it."""
    return dict(zip(contract.partitions, (day.isoformat(), str(issue)), strict=False))


def added(table: Path, path: Path, values: Mapping[str, str], rows: int) -> AddAction:
    """What Delta is told about one file that is in its place."""
    stat = (table / path).stat()
    return AddAction(
        path=path.as_posix(),
        size=stat.st_size,
        partition_values=dict(values),
        modification_time=int(stat.st_mtime * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )


def _named(staged: Staged) -> Iterator[tuple[str, Path, int]]:
    unique = staged.id.rpartition("-")[2]
    in_order = sorted(staged.files, key=lambda file: (file.bucket, file.path))
    for part, file in enumerate(in_order):
        yield f"{file.bucket:05d}-{part:05d}-{unique}.parquet", staged.data / file.path, file.rows


def link(source: Path, target: Path) -> None:
    """Makes the file appear whole or not at all: as a hard link, or as a copy where links cannot be made."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    except OSError:
        copy = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, copy)
        copy.replace(target)
    # Vacuum goes by age: a link of a file that was staged long ago must not look like an old orphan.
    target.touch()
