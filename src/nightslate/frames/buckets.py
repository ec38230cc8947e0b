"""User buckets: the unit in which Spark hands out work, so that nothing that goes by user needs a shuffle.

A bucket's files are written sorted and one a day, so a kernel sees the same rows in the same order however
the cluster looks: sums over a bucket are equal to the last bit from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from nightslate.tables import DataFile

Kernel = Callable[[int, Mapping[str, pa.Table]], Iterator[pa.RecordBatch]]
"""(bucket, its rows by table name) -> record batches of the output schema."""


def bucket_of(user_id: Column, buckets: int) -> Column:
    """The bucket of a pseudonym: its first 32 bits modulo the number of buckets."""
    return (F.conv(F.substring(user_id, 1, 8), 16, 10).cast("bigint") % buckets).cast("int")


@dataclass(frozen=True)
class BucketInput:
    """What a kernel reads of one table: which files, which columns, and their schema if there is no file.
    `users_of`: the table whose users alone are kept; rows of others are dropped as they are read."""

    files: Sequence[DataFile]
    schema: pa.Schema
    users_of: str | None = None

    def of_users_in(self, table: str) -> BucketInput:
        """The rows of users that another input has too."""
        return replace(self, users_of=table)

    def of(self, bucket: int) -> list[tuple[str, str]]:
        return [(str(file.path), file.day.isoformat()) for file in self.files if file.bucket == bucket]


def map_buckets(
    spark: SparkSession,
    inputs: Mapping[str, BucketInput],
    kernel: Kernel,
    output: StructType,
    buckets: int,
) -> DataFrame:
    """Run `kernel` on every bucket of the inputs; each bucket is one task, reading its own files."""
    rows = [
        (bucket, json.dumps({name: given.of(bucket) for name, given in inputs.items()}))
        for bucket in range(buckets)
    ]
    # what others are held against comes first
    wanted = sorted(inputs.items(), key=lambda item: item[1].users_of is not None)
    schemas = {name: (given.schema, given.users_of) for name, given in wanted}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for bucket, files in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found: dict[str, list[tuple[str, str]]] = json.loads(files)
                tables: dict[str, pa.Table] = {}
                for name, (schema, users_of) in schemas.items():
                    users = pc.unique(tables[users_of]["user_id"]) if users_of else None
                    tables[name] = _read(found[name], schema, users)
                yield from kernel(bucket, tables)

    handed_out = spark.createDataFrame(
        spark.sparkContext.parallelize(rows, numSlices=buckets),
        StructType([StructField("bucket", IntegerType()), StructField("files", StringType())]),
    )
    return handed_out.mapInArrow(run, output)


def _read(files: list[tuple[str, str]], schema: pa.Schema, users: pa.Array | None) -> pa.Table:
    """The rows of the files, in order, of some users or of all, with the partition's day as the column
    `ds`."""
    names = [name for name in schema.names if name != "ds"]
    parts = []
    for path, day in files:
        part = pyarrow.parquet.ParquetFile(path).read(columns=names, use_threads=False)
        if users is not None:
            part = part.filter(pc.is_in(part["user_id"], users))
        if "ds" in schema.names:
            days = pa.repeat(pa.scalar(date.fromisoformat(day), pa.date32()), part.num_rows)
            part = part.append_column("ds", days)
        parts.append(part.select(schema.names).cast(schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()
