"""Landing files of a day into accepted rows and quarantine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.frames.conform import VERDICT, Conformer
from nightslate.frames.landing import UnusableFileError, read


@dataclass(frozen=True)
class Ingested:
    """`rows`: the contract's landing columns of the accepted rows. `rejects`: quarantine rows without ds.
    `total`: rows that landed. `duplicates`: exact copies that were dropped."""

    rows: DataFrame
    rejects: DataFrame
    total: int
    duplicates: int
    unusable_files: int


def ingest(
    spark: SparkSession,
    files: Sequence[Path],
    conformer: Conformer,
    complete: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> Ingested:
    """Read, conform, deduplicate and complete the landing files of one log.

    A row that breaks the contract is rejected; a file that can't be read costs all of its rows. Exact copies
    of a row count once; rows that share a key but differ are all rejected, for none is the right one. What is
    left goes through `complete`, which fills in what landing rows may leave out, or rejects a row by setting
    `_reason` and `_clause`.
    """
    conformed = _conform(spark, files, conformer).persist()
    by_file = conformed.groupBy("_file").agg(
        F.max(_whole_file()).alias("unusable"), F.count_if(~_whole_file()).alias("rows")
    )
    landed = by_file.collect()
    unusable = [file["_file"] for file in landed if file["unusable"]]
    loaded = conformed.where(~F.col("_file").isin(unusable) | _whole_file())
    broken = loaded.where(F.col("_reason").isNotNull())
    sound = _with_copies_counted(loaded.where(F.col("_reason").isNull()), conformer).persist()
    total = sum(file["rows"] for file in landed if not file["unusable"])
    duplicates = sound.where((F.col("_variants") == 1) & (F.col("_copy") > 1)).count()
    unique = sound.where((F.col("_variants") == 1) & (F.col("_copy") == 1))
    completed = complete(unique.select(*_names(conformer), *VERDICT)).persist()
    incomplete = completed.where(F.col("_reason").isNotNull()).withColumn("_row", _as_json(conformer))
    rejected = (broken, _conflicting(sound, conformer), incomplete)
    rejects = reduce(DataFrame.unionByName, (_quarantine(rows, conformer) for rows in rejected))
    rows = completed.where(F.col("_reason").isNull()).select(*_names(conformer))
    return Ingested(rows, rejects, total, duplicates, len(unusable))


def _whole_file() -> Column:
    """The verdict is about the file, not about one of its rows."""
    return F.col("_row").isNull() & F.col("_digest").isNull() & F.col("_reason").isNotNull()


def _names(conformer: Conformer) -> list[str]:
    return [column.name for column in conformer.contract.landing_columns]


def _conform(spark: SparkSession, files: Sequence[Path], conformer: Conformer) -> DataFrame:
    schema = from_arrow_schema(conformer.schema())

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch.column(0).to_pylist():
                yield from _conform_file(Path(path), conformer)

    if not files:
        return spark.createDataFrame([], schema)
    handed_out = spark.sparkContext.parallelize([(str(f),) for f in files], numSlices=len(files))
    return spark.createDataFrame(handed_out, "path string").mapInArrow(run, schema)


def _conform_file(path: Path, conformer: Conformer) -> Iterator[pa.RecordBatch]:
    try:
        for chunk in read(path, conformer.contract.landing_columns):
            yield from conformer(chunk, path.name).to_batches()
    except UnusableFileError as error:
        yield from conformer.rejected_file(path.name, error.reason, error.clause).to_batches()


def _with_copies_counted(sound: DataFrame, conformer: Conformer) -> DataFrame:
    key = list(conformer.contract.key)
    content = F.sha2(_as_json(conformer), 256)
    alike = Window.partitionBy(*key)
    return (
        sound.withColumn("_content", content)
        .withColumn(
            "_variants", 1 + (F.min("_content").over(alike) != F.max("_content").over(alike)).cast("int")
        )
        .withColumn("_copy", F.row_number().over(alike.orderBy("_content", "_file")))
    )


def _conflicting(sound: DataFrame, conformer: Conformer) -> DataFrame:
    key = ", ".join(conformer.contract.key)
    return sound.where(F.col("_variants") > 1).withColumns(
        {
            "_reason": F.lit("conflicting_duplicate"),
            "_clause": F.lit(f"rows with the same {key} are equal"),
            "_row": _as_json(conformer),
        }
    )


def _as_json(conformer: Conformer) -> Column:
    """The whole row; Spark's own format of timestamps would cut them to milliseconds."""
    return F.to_json(F.struct(*_names(conformer)), {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"})


def _quarantine(rows: DataFrame, conformer: Conformer) -> DataFrame:
    return rows.select(
        F.lit(conformer.contract.name).alias("log"),
        F.col("_reason").alias("reason"),
        F.col("_clause").alias("clause"),
        F.col("_row").alias("row"),
        F.col("_digest").alias("row_digest"),
        F.col("_file").alias("file"),
    )
