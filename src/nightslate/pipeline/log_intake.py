"""The landing files of one log of a day into staged rows and rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from nightslate.contracts import Contract
from nightslate.engines import Input
from nightslate.engines.exchange import Part, Rows
from nightslate.kernels.conform import Conformer
from nightslate.kernels.consents import Consents
from nightslate.kernels.ingest import (
    REJECTS,
    Accepted,
    OfBucket,
    OfFile,
    in_several,
    is_whole_file,
    quarantined,
)
from nightslate.pipeline.night import Night
from nightslate.tables import Attempt, Staged, Table
from nightslate.tables.staging import StagedFile

Complete = Callable[[pa.Table, Callable[[], pa.Table]], pa.Table]
"""(rows that are left of a bucket, what reads what lies beside them) -> the rows, with verdicts."""

_FILES: Part = ("files", 0)
_WRITTEN = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("rows", pa.int64()), ("copies", pa.int64())]
)
_BYTES_A_ROW, _BYTES_A_ROW_OF_PARQUET = 100, 20
"""Of a landing file, about; an engine wants to know how much there is to do."""
_CLAUSES_TOLD = 5


@dataclass(frozen=True)
class Completion:
    """What the rest of the warehouse has to say about rows, bucket by bucket. beside: what is read for it."""

    complete: Complete
    beside: Input


@dataclass(frozen=True)
class TakenIn:
    """`staged`: the rows that were accepted. `rejects`: quarantine rows without ds. `total`: rows that
    landed. `copies`: how many exact copies were dropped."""

    staged: Staged
    rejects: pa.Table
    total: int
    copies: int
    unusable_files: int


@dataclass(frozen=True)
class Conformed:
    """Of the rows of some files those that break no clause, and those that do, as `OfFile` has both."""

    rows: pa.Table
    rejects: pa.Table


@dataclass(frozen=True)
class _Landed:
    """What has landed in a bucket: rows that break no clause, what lies beside them, and the users whose
    consents are looked up."""

    bucket: int
    rows: Rows
    beside: Input | None
    users: Input | None


@dataclass(frozen=True)
class _Acceptance:
    """Completes, sorts and writes the rows of a bucket; hands on which file it wrote, and what it rejects."""

    of_bucket: OfBucket
    attempt: Attempt
    complete: Complete | None
    order: Sequence[tuple[str, str]] = field(default_factory=list)

    def __call__(self, landed: _Landed) -> Iterator[tuple[Part, pa.Table]]:
        conformer = self.of_bucket.conformer
        rows = landed.rows.read(conformer.schema())
        if landed.users is not None:
            rows = Consents.of(conformer.contract.needs, landed.users.read(None)).decided(rows)
        accepted = self.of_bucket(rows, self._complete(landed))
        file = self.attempt.write(accepted.rows.sort_by(self.order), landed.bucket)
        written = (file.path, file.size, file.rows) if file else ("", 0, 0)
        row = dict(zip(_WRITTEN.names, (*written, accepted.copies), strict=True))
        yield _FILES, pa.Table.from_pylist([row], _WRITTEN)
        yield REJECTS, accepted.rejects

    def _complete(self, landed: _Landed) -> Callable[[pa.Table], pa.Table] | None:
        if self.complete is None or landed.beside is None:
            return None
        complete, beside = self.complete, landed.beside
        return lambda rows: complete(rows, lambda: beside.read(None))


def take_in(
    night: Night,
    table: Table,
    files: Sequence[Path],
    conformer: Conformer,
    completion: Completion | None = None,
    users: Input | None = None,
) -> TakenIn:
    """Read, conform, deduplicate, complete and stage the landing files of a log. users: those whose consents
    are looked up where rows do not say them.

    A row that breaks the contract is rejected; a file that can't be read costs all of its rows. Exact copies
    of a row count once; rows that share a key but differ are all rejected, for none is the right one."""
    buckets, scratch = night.program.buckets, night.scratch
    rows = sum(map(_rows_about, files))
    contract = conformer.contract
    attempt = table.begin(night.ds)
    of_file = OfFile(conformer, buckets)
    with night.engine.exchange(of_file, files, rows, scratch) as landed:
        keys = [landed["keys", part] for part in range(buckets)]
        schema = pa.schema(
            [*(conformer.schema().field(name) for name in contract.key), ("bucket", pa.int32())]
        )
        several = night.engine.run(partial(_in_several, conformer, schema), keys, rows)
        conflicts = pa.concat_tables([schema.empty_table().select(list(contract.key)), *several])
        accept = _Acceptance(
            OfBucket(conformer, conflicts),
            attempt,
            completion.complete if completion else None,
            [(name, "ascending") for name in _order(contract)],
        )
        in_buckets = [
            _Landed(
                bucket,
                landed["rows", bucket],
                completion.beside.of_bucket(bucket) if completion else None,
                users.of_bucket(bucket) if users else None,
            )
            for bucket in range(buckets)
        ]
        with night.engine.exchange(accept, in_buckets, rows, scratch) as accepted:
            written = accepted[_FILES].read(_WRITTEN).to_pylist()
            parts = [exchanged[REJECTS].read(conformer.schema()) for exchanged in (landed, accepted)]
    rejects = pa.concat_tables(parts)
    copies, whole_files = sum(file.pop("copies") for file in written), int(is_whole_file(rejects).sum())
    staged = attempt.seal([StagedFile(**file) for file in written if file["path"]])
    total = staged.rows + copies + rejects.num_rows - whole_files
    return TakenIn(staged, quarantined(rejects, contract.name), total, copies, whole_files)


def accepted_at_once(files: Sequence[Path], conformer: Conformer) -> pa.Table:
    """The accepted rows of a small log, and nothing is written."""
    return conformed_at_once(files, conformer).rows


def conformed_at_once(files: Sequence[Path], conformer: Conformer) -> Accepted:
    """The rows of a small log, and those that are rejected; nothing is written."""
    landed = conformed_one_by_one(files, conformer)
    no_conflicts = landed.rows.schema.empty_table().select(list(conformer.contract.key))
    found = OfBucket(conformer, no_conflicts)(landed.rows)
    return replace(found, rejects=pa.concat_tables([landed.rejects, found.rejects]))


def conformed_one_by_one(files: Sequence[Path], conformer: Conformer) -> Conformed:
    """The rows of a small log by themselves: nothing is said of those that share a key."""
    nothing = conformer.schema().empty_table()
    parts = [part for file in files for part in OfFile(conformer, 1)(file)]
    rows, rejects = (
        pa.concat_tables([nothing, *(rows for (name, _), rows in parts if name == wanted)])
        for wanted in ("rows", REJECTS[0])
    )
    return Conformed(rows, rejects)


def rejected_in_words(log: str, rejects: pa.Table) -> list[str]:
    """How much of a log is rejected, by which clauses in which files, the most first; nothing where nothing
    is. rejects: as `Accepted` has them."""
    if not rejects.num_rows:
        return []
    whole = pa.array(is_whole_file(rejects))
    by = ["_clause", "_file", "whole"]
    counts = rejects.append_column("whole", whole).group_by(by).aggregate([([], "count_all")])
    order = [("count_all", "descending"), *((name, "ascending") for name in by)]
    found = counts.sort_by(order).to_pylist()
    listed = [
        f"{row['_clause']} ({'all' if row['whole'] else row['count_all']} of {row['_file']})"
        for row in found[:_CLAUSES_TOLD]
    ]
    listed += [f"{len(found) - len(listed)} more"] if len(found) > len(listed) else []
    files, rows = whole.true_count, rejects.num_rows - whole.true_count
    parts = [f"{count} {name}" for count, name in ((rows, "rows"), (files, "files")) if count]
    return [f"WARNING: {' and '.join(parts)} of {log} break the contract: {'; '.join(listed)}"]


def _rows_about(file: Path) -> int:
    size = file.stat().st_size if file.exists() else 0
    return size // (_BYTES_A_ROW_OF_PARQUET if file.suffix == ".parquet" else _BYTES_A_ROW)


def _in_several(conformer: Conformer, schema: pa.Schema, keys: Rows) -> pa.Table:
    return in_several(keys.read(schema), conformer)


def _order(contract: Contract) -> tuple[str, ...]:
    """The order of rows in a file: those of a user lie together, so that user ids compress, and by time where
    there is one. The key makes it total: equal logs give equal files."""
    names = [column.name for column in contract.columns]
    leading = [name for name in ("user_id", "occurred_at") if name in names]
    return tuple(dict.fromkeys([*leading, *contract.key]))
