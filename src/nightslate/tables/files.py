"""Reads one file of a table; here, and in Spark's workers, which have no snapshot."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nightslate.tables import damage


def rows_of_file(path: Path, day: date, schema: pa.Schema, partition: str) -> pa.Table:
    """The rows with the columns of `schema`; `partition` is the day. A column that is younger than the file
    is null in all of its rows. Raises DamageError where it is missing or damaged."""
    try:
        return _read(path, day, schema, partition)
    except pa.ArrowMemoryError:
        raise
    except FileNotFoundError as error:
        raise damage.of_file(path, "is missing") from error
    except (OSError, pa.ArrowException, ValueError) as error:
        raise damage.of_file(path, f"is damaged ({str(error).splitlines()[0]})") from error


def _read(path: Path, day: date, schema: pa.Schema, partition: str) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        held = {*file.schema_arrow.names}
        found = file.read(columns=[name for name in schema.names if name in held], use_threads=False)
        rows = file.metadata.num_rows

    def column(field: pa.Field) -> pa.Array | pa.ChunkedArray:
        if field.name == partition:
            return pa.repeat(pa.scalar(day, pa.date32()), rows)
        return found[field.name] if field.name in held else pa.nulls(rows, field.type)

    return pa.table([column(field) for field in schema], names=schema.names).cast(schema)
