"""A contract in Spark's terms: the schema of its rows, and its clauses as columns."""

from pyspark.sql import Column, functions, types

from nightslate.contracts.contract import Clause, Contract, Type

_TYPES: dict[Type, types.DataType] = {
    "string": types.StringType(),
    "int": types.IntegerType(),
    "bigint": types.LongType(),
    "float": types.FloatType(),
    "double": types.DoubleType(),
    "date": types.DateType(),
    "timestamp": types.TimestampType(),
    "boolean": types.BooleanType(),
    "array<string>": types.ArrayType(types.StringType()),
    "array<float>": types.ArrayType(types.FloatType()),
    "array<double>": types.ArrayType(types.DoubleType()),
}


def schema(contract: Contract, partition: bool = True) -> types.StructType:
    """The table's schema; without the partition column, that of its data files."""
    columns = contract.columns if partition else contract.file_columns
    return types.StructType([types.StructField(c.name, _TYPES[c.type], not c.required) for c in columns])


def violated(clause: Clause) -> Column:
    """True for the rows that break the clause, never null."""
    column = functions.col(clause.column.name)
    if clause.rule == "required":
        return column.isNull()
    broken = ~_holds(clause, column)
    if clause.column.fractional:
        # Spark orders NaN above every number: NaN > 0 is true.
        broken = broken | functions.isnan(column)
    return column.isNotNull() & broken


def _holds(clause: Clause, column: Column) -> Column:
    match clause.rule:
        case "finite":
            return functions.abs(column) < float("inf")
        case ">":
            return column > clause.bound
        case ">=":
            return column >= clause.bound
        case "<":
            return column < clause.bound
        case "<=":
            return column <= clause.bound
        case "length":
            return functions.length(column).between(clause.column.min_length, clause.column.max_length)
        case "one_of":
            return column.isin(list(clause.column.allowed))
        case _:
            return column.rlike(clause.strict_pattern)
