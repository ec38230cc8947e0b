"""A contract in Arrow's terms: the schema of its rows, and its clauses as filters."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.contract import Clause, Column, Contract, Type


def _list(item: pa.DataType) -> pa.DataType:
    # Parquet and Delta call the items of a list "element".
    return pa.list_(pa.field("element", item))


_TYPES: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
    "array<string>": _list(pa.string()),
    "array<float>": _list(pa.float32()),
    "array<double>": _list(pa.float64()),
    "array<timestamp>": _list(pa.timestamp("us", "UTC")),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
}


def type_of(column: Column) -> pa.DataType:
    """The type of a column's values."""
    return _TYPES[column.type]


def schema(contract: Contract, partition: bool = True) -> pa.Schema:
    """The table's schema; without the partition column, that of its data files."""
    columns = contract.columns if partition else contract.file_columns
    return pa.schema([pa.field(c.name, type_of(c), nullable=not c.required) for c in columns])


def types(columns: Iterable[Column]) -> pa.Schema:
    """Columns by name and type alone, of rows on their way: where these are written they are held to the
    rest of the contract."""
    return pa.schema([(column.name, type_of(column)) for column in columns])


def violated(clause: Clause) -> pc.Expression:
    """True for the rows that break the clause, never null: `table.filter(violated(clause))`.

    Use it on rows in memory. As the filter of a Parquet dataset it misses NaN, because Arrow then believes a
    file's minimum and maximum, which leave NaN out.
    """
    field = pc.field(clause.column.name)
    if clause.rule == "required":
        return field.is_null()
    if clause.rule == "required_unless":
        return field.is_null() & pc.field(clause.column.required_unless).is_null()
    if clause.rule == "consented":
        return ~field.is_null() & ~pc.coalesce(pc.field(clause.column.consent), pc.scalar(False))
    return ~field.is_null() & ~_holds(clause, field)


def _holds(clause: Clause, field: pc.Expression) -> pc.Expression:
    match clause.rule:
        case "finite":
            return pc.is_finite(field)
        case ">":
            return field > clause.bound
        case ">=":
            return field >= clause.bound
        case "<":
            return field < clause.bound
        case "<=":
            return field <= clause.bound
        case "length":
            length = pc.utf8_length(field)
            return (length >= clause.column.min_length) & (length <= clause.column.max_length)
        case "one_of":
            return field.isin(list(clause.column.allowed))
        case _:
            return pc.match_substring_regex(field, clause.column.pattern)
