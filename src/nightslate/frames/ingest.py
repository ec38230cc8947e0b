"""Landing files of a day into accepted rows and quarantine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from nightslate.frames.conform import VERDICT, Conformer
from nightslate.frames.landing import read
from nightslate.records.chunks import UnusableFileError

_SPOOLED_IN_MEMORY = 16 << 20


@dataclass(frozen=True)
class Ingested:
    """`rows`: the contract's landing columns of the accepted rows. `rejects`: quarantine rows without ds.
    `total`: rows that landed. `duplicates`: exact copies that were dropped."""

    rows: DataFrame
    rejects: DataFrame
    total: int
    duplicates: int
    unusable_files: int


@dataclass(frozen=True)
class Completion:
    """What the rest of the warehouse has to say about rows, asked if any of them gives `column`.

    `complete` gets the conformed rows that are left and returns them with what landing rows may leave out
    filled in; it rejects a row by setting `_reason` and `_clause`.
    """

    column: str
    complete: Callable[[DataFrame], DataFrame]


def ingest(
    spark: SparkSession, files: Sequence[Path], conformer: Conformer, completion: Completion | None = None
) -> Ingested:
    """Read, conform, deduplicate and complete the landing files of one log.

    A row that breaks the contract is rejected; a file that can't be read costs all of its rows. Exact copies
    of a row count once; rows that share a key but differ are all rejected, for none is the right one.
    """
    conformed = _conform(spark, files, conformer)
    judged = _with_copies_counted(conformed, conformer).persist()
    sound, whole_file = F.col("_reason").isNull(), F.col("_row").isNull() & F.col("_digest").isNull()
    first = sound & (F.col("_copy") == 1)
    asked = F.col(completion.column).isNotNull() if completion else F.lit(False)
    total, duplicates, unusable, questions = judged.agg(
        F.count_if(sound | ~whole_file),
        F.count_if(sound & (F.col("_copy") > 1)),
        F.count_if(~sound & whole_file),
        F.count_if(first & asked),
    ).collect()[0]
    rows = judged.where(first).select(*_names(conformer), *VERDICT)
    rejects = _quarantine(judged.where(~sound), conformer)
    if completion and questions:
        completed = completion.complete(rows).withColumn("_row", _as_json(conformer)).persist()
        rejects = rejects.unionByName(_quarantine(completed.where(~sound), conformer))
        rows = completed.where(sound)
    return Ingested(rows.select(*_names(conformer)), rejects, total, duplicates, unusable)


def _names(conformer: Conformer) -> list[str]:
    return [column.name for column in conformer.contract.landing_columns]


def _conform(spark: SparkSession, files: Sequence[Path], conformer: Conformer) -> DataFrame:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from _conform_file(files[number], conformer)

    handed_out = spark.range(0, len(files), 1, numPartitions=max(len(files), 1))
    return handed_out.mapInArrow(run, from_arrow_schema(conformer.schema()))


def _conform_file(path: Path, conformer: Conformer) -> Iterator[pa.RecordBatch]:
    """Hands nothing on before the whole file was read: damage at its end costs the rows before it too."""
    with tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY) as spool:
        try:
            with pa.ipc.new_stream(spool, conformer.schema()) as stream:
                for chunk in read(path, conformer.contract.landing_columns):
                    stream.write_table(conformer(chunk, path.name))
        except UnusableFileError as error:
            yield from conformer.rejected_file(path.name, error.reason, error.clause).to_batches()
        else:
            spool.seek(0)
            yield from pa.ipc.open_stream(spool)


def _with_copies_counted(conformed: DataFrame, conformer: Conformer) -> DataFrame:
    """Numbers the equal rows of a key from 1 (`_copy`), and rejects those that differ."""
    key = conformer.contract.key
    # Rows that are rejected already have a text or a digest, and so are no rivals of sound ones.
    alike = Window.partitionBy(*key, "_row", "_digest").orderBy("_content", "_file")
    every = alike.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    least, most = F.first("_content").over(every), F.last("_content").over(every)
    numbered = conformed.withColumn("_content", F.sha2(_as_json(conformer), 256)).withColumns(
        {
            "_conflicting": F.col("_reason").isNull() & (least != most),
            "_copy": F.row_number().over(alike),
        }
    )
    verdict = {
        "_reason": F.lit("conflicting_duplicate"),
        "_clause": F.lit(f"rows with the same {', '.join(key)} are equal"),
        "_row": _as_json(conformer),
    }
    judged = {n: F.when(F.col("_conflicting"), found).otherwise(F.col(n)) for n, found in verdict.items()}
    return numbered.withColumns(judged).drop("_content", "_conflicting")


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
        F.col("_number").alias("row_number"),
    )
