"""Reads staged files back before anything is committed. Delta-rs registers files as it is told: missing ones,
ones of another schema, ones outside the table. So everything is checked here."""

import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nightslate.contracts import Contract, arrow
from nightslate.errors import ContractError
from nightslate.tables.files import USER, UserRange, items_of, rows_of_file, those_in
from nightslate.tables.staging import Staged, StagedFile

_KEYS_AT_A_TIME = 2_000_000
"""Of tables that have users: as many as the memory of a small machine holds beside all else."""


def verify(staged: Staged, contract: Contract) -> None:
    """Checks place, size, schema, row count, every clause and the key of the staged files.

    Raises ContractError that lists all that is wrong, by file, clause and number of rows; DamageError where
    a file goes while it is looked at.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        of_files = threads.map(lambda file: list(_file_problems(staged, file, contract)), staged.files)
        problems = list(chain.from_iterable(of_files))
    problems = problems or list(_key_problems(staged, contract))
    if problems:
        raise ContractError(f"{contract.name} {staged.day}: " + "; ".join(problems))


def _file_problems(staged: Staged, file: StagedFile, contract: Contract) -> Iterator[str]:
    """What is wrong with one file; later checks read it only if the earlier ones pass."""
    path = staged.data / file.path
    if not path.resolve().is_relative_to(staged.data.resolve()):
        yield f"{file.path} lies outside the staging folder"
    elif not path.is_file():
        yield f"{file.path} is missing"
    elif path.stat().st_size != file.size:
        yield f"{file.path} has {path.stat().st_size} bytes, its manifest says {file.size}"
    else:
        try:
            yield from _content_problems(path, file, contract)
        except (pa.ArrowInvalid, OSError) as error:
            yield f"{file.path} cannot be read: {error}"


def _content_problems(path: Path, file: StagedFile, contract: Contract) -> Iterator[str]:
    parquet = pq.ParquetFile(path)
    differing = list(_schema_problems(parquet.schema_arrow, contract))
    if differing:
        yield f"{file.path}: {', '.join(differing)}"
        return
    if parquet.metadata.num_rows != file.rows:
        yield f"{file.path} has {parquet.metadata.num_rows} rows, its manifest says {file.rows}"
    # Of lists clauses say only that they are there, so that their texts need not be spelled out.
    texts = (items_of(column.name) for column in contract.file_columns if column.type == "array<string>")
    parquet = pq.ParquetFile(
        path, metadata=parquet.metadata, read_dictionary=those_in(parquet.metadata, texts)
    )
    for text, count in _broken(parquet, contract).items():
        yield f"{file.path}: {count} of {file.rows} rows break '{text}'"


def _schema_problems(found: pa.Schema, contract: Contract) -> Iterator[str]:
    """Names in order, and types, must be equal. Nulls are counted, not read off the schema."""
    wanted = arrow.schema(contract, partition=False)
    if found.names != wanted.names:
        yield f"columns are {found.names}, not {wanted.names}"
        return
    for field, held in zip(wanted, found, strict=True):
        if held.type != field.type:
            yield f"{field.name} is {held.type}, not {field.type}"


def _broken(parquet: pq.ParquetFile, contract: Contract) -> Counter[str]:
    """Clause -> number of rows that break it, counted in the rows: a file's statistics leave NaN out."""
    clauses = [clause for column in contract.file_columns for clause in column.clauses()]
    broken = {str(place): arrow.violated(clause) for place, clause in enumerate(clauses)}
    counts = Counter[str]()
    # One after another: Arrow has no lists of texts whose dictionaries differ from group to group.
    groups = (parquet.iter_batches(row_groups=[n], use_threads=False) for n in range(parquet.num_row_groups))
    for batch in chain.from_iterable(groups):
        found = ds.dataset(pa.Table.from_batches([batch])).to_table(columns=broken, use_threads=False)
        counts.update({clauses[int(place)].text: pc.sum(found[place]).as_py() or 0 for place in broken})
    return +counts


def _key_problems(staged: Staged, contract: Contract) -> Iterator[str]:
    key = [name for name in contract.key if name not in contract.partitions]
    if not key or not staged.files:
        return
    shares = math.ceil(staged.rows / _KEYS_AT_A_TIME) if USER in key else 1
    users = [UserRange(share, shares) for share in range(shares)] if shares > 1 else [None]
    repeated = pa.concat_tables([_repeated(staged, contract, key, some) for some in users])
    if repeated.num_rows:
        example = repeated.slice(0, 1).to_pylist()[0]
        yield f"{repeated.num_rows} keys occur more than once, such as {example}"


def _repeated(staged: Staged, contract: Contract, key: list[str], users: UserRange | None) -> pa.Table:
    """The keys of some users, or of all, that several rows have."""
    schema = pa.schema([arrow.schema(contract).field(name) for name in key])
    files = (rows_of_file(staged.data / file.path, schema, {}, users) for file in staged.files)
    # In one thread: several are done no sooner, for twice the work.
    counts = pa.concat_tables(files).group_by(key, use_threads=False).aggregate([([], "count_all")])
    return counts.filter(pc.field("count_all") > 1).select(key)
