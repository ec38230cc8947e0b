"""Reads one file of a table; here, and in an engine's workers, which have no snapshot."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from nightslate.tables import damage

USER = "user_id"
_DIGITS = 8

_PARQUET = pyarrow.dataset.ParquetFileFormat()

Partition = Mapping[str, date | str]
"""The values that all rows of a file share, by column."""


@dataclass(frozen=True)
class UserRange:
    """Of users, whose pseudonyms are uniform, the share so many of so many in the order of pseudonyms."""

    share: int
    shares: int

    @property
    def first(self) -> str:
        """What pseudonyms of the share are not below."""
        return f"{self.share * 16**_DIGITS // self.shares:0{_DIGITS}x}"

    @property
    def end(self) -> str:
        """What they are below."""
        last = self.share + 1 == self.shares
        return "g" if last else UserRange(self.share + 1, self.shares).first

    def holds(self, users: pa.ChunkedArray) -> pa.ChunkedArray:
        """(n,) which users are in it."""
        return pc.and_(pc.greater_equal(users, self.first), pc.less(users, self.end))

    def may_be_in(self, least: str, most: str) -> bool:
        """Whether some of them may lie between two pseudonyms, both included."""
        return self.first <= most and least < self.end


@dataclass(frozen=True)
class Filter:
    """Rows for which an expression of these columns holds."""

    expression: pc.Expression
    columns: tuple[str, ...]

    def groups(
        self, path: Path, schema: pa.Schema, partition: Partition
    ) -> list[pyarrow.dataset.RowGroupInfo]:
        """The row groups of a file that may have any, by what its footer says; `schema` has the columns.
        Raises DamageError where it is missing or damaged."""
        with _damage_named(path):
            shared = [
                pc.field(name) == pa.scalar(partition[name]) for name in self.columns if name in partition
            ]
            fragment = _PARQUET.make_fragment(
                str(path), LocalFileSystem(), reduce(and_, shared, pc.scalar(True))
            )
            looked_at = pa.schema([schema.field(name) for name in self.columns])
            found: list[pyarrow.dataset.RowGroupInfo] = fragment.subset(
                self.expression, schema=looked_at
            ).row_groups
            return found


def rows_of_file(
    path: Path,
    schema: pa.Schema,
    partition: Partition,
    users: UserRange | None = None,
    which: Filter | None = None,
) -> pa.Table:
    """The rows with the columns of `schema`, which has `user_id` where some users alone are wanted, and what
    the filter looks at, if there is one. A column that is younger than the file is null in all of its rows.
    Raises DamageError where it is missing or damaged."""
    with _damage_named(path):
        rows = _read(path, schema, partition, users, which)
        rows = rows if users is None else rows.filter(users.holds(rows[USER]))
        return rows if which is None else rows.filter(which.expression)


def may_have_any(path: Path, column: str) -> bool:
    """Whether a file may have a value in a column, by what its footer says; lists without items are none.
    Raises DamageError where it is missing or damaged."""
    with _damage_named(path):
        footer = pq.read_metadata(path)
        there = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
        places = [there[name] for name in (column, items_of(column)) if name in there]
        groups = (footer.row_group(number) for number in range(footer.num_row_groups))
        known = [group.column(place).statistics for group in groups for place in places if group.num_rows]
        return any(each is None or each.num_values for each in known)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowMemoryError:
        raise
    except FileNotFoundError as error:
        raise damage.of_file(path, "is missing") from error
    except (OSError, pa.ArrowException, ValueError) as error:
        raise damage.of_file(path, f"is damaged ({str(error).splitlines()[0]})") from error


def _read(
    path: Path, schema: pa.Schema, partition: Partition, users: UserRange | None, which: Filter | None
) -> pa.Table:
    footer = pq.read_metadata(path)
    coded = those_in(footer, _coded(schema))
    with pq.ParquetFile(
        path, metadata=footer, read_dictionary=coded, page_checksum_verification=True
    ) as file:
        held = {*file.schema_arrow.names}
        groups, columns = _groups(file, users), [name for name in schema.names if name in held]
        if which is not None:
            may_have_any = {group.id for group in which.groups(path, schema, partition)}
            groups = [group for group in groups if group in may_have_any]
        # One after another: Arrow has no lists of texts whose dictionaries differ from group to group.
        parts = [file.read_row_group(group, columns=columns, use_threads=False) for group in groups]
        found = pa.concat_tables(parts or [file.schema_arrow.empty_table().select(columns)])
        rows = sum(file.metadata.row_group(group).num_rows for group in groups)

    def column(field: pa.Field) -> pa.Array | pa.ChunkedArray:
        if field.name in partition:
            return pa.repeat(pa.scalar(partition[field.name], field.type), rows)
        return found[field.name] if field.name in held else pa.nulls(rows, field.type)

    return pa.table([column(field) for field in schema], names=schema.names).cast(schema)


def _groups(file: pq.ParquetFile, users: UserRange | None) -> list[int]:
    """The row groups that may have rows of these users: files are sorted by user."""
    groups = list(range(file.metadata.num_row_groups))
    if users is None:
        return groups
    at = file.schema_arrow.names.index(USER)
    return [group for group in groups if _may_hold(file.metadata.row_group(group).column(at), users)]


def _may_hold(column: pq.ColumnChunkMetaData, users: UserRange) -> bool:
    known = column.statistics
    return known is None or not known.has_min_max or users.may_be_in(known.min, known.max)


def those_in(footer: pq.FileMetaData, names: Iterable[str]) -> list[str]:
    """Those of the columns that a file has, all as Parquet names them."""
    there = {footer.schema.column(place).path for place in range(footer.num_columns)}
    return [name for name in names if name in there]


def items_of(column: str) -> str:
    """What Parquet calls the items of a column of lists."""
    return f"{column}.list.element"


def _coded(schema: pa.Schema) -> list[str]:
    """The columns whose texts are read as places in a dictionary, as Parquet names them."""
    lists = [field for field in schema if pa.types.is_list(field.type)]
    return [
        *(field.name for field in schema if pa.types.is_dictionary(field.type)),
        *(items_of(f.name) for f in lists if pa.types.is_dictionary(f.type.value_type)),
    ]
