"""User buckets: the unit in which Spark hands out work, so that nothing that goes by user needs a shuffle.

A bucket's files are written sorted and one a day, so a kernel sees the same rows in the same order however
the cluster looks: sums over a bucket are equal to the last bit from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from nightslate.tables import DataFile
from nightslate.tables.files import rows_of_file

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
    parts = [schema.empty_table()]
    for path, day in files:
        part = rows_of_file(Path(path), date.fromisoformat(day), schema, partition="ds")
        parts.append(part if users is None else part.filter(pc.is_in(part["user_id"], users)))
    return pa.concat_tables(parts)
