"""Spark hands out tasks, and brings back what they made."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from nightslate.engines.engine import Engine, Item, Task
from nightslate.engines.spark.errors import raised_by_worker

ROWS_OF_A_TASK = 250_000
"""Fewer are gone over in about the time that it takes to hand out a task."""
LEAST_TASKS = 16
"""As many are handed out wherever there are so many items: a cluster has the cores for them."""

_MADE = pa.schema([("place", pa.int64()), ("made", pa.binary())])


@dataclass(frozen=True, eq=False)
class SparkEngine(Engine):
    """A task goes over an item, or over several where they have few rows. It reads and writes files itself:
    nothing is shuffled, and rows do not pass through Java."""

    session: SparkSession

    def run(self, task: Task[Item], items: Sequence[Item], rows: int) -> Iterator[pa.Table]:
        def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for place in batch.column(0).to_pylist():
                    yield pa.record_batch([[place], [_packed(task(items[place]))]], schema=_MADE)
            _set_imports_aside()

        if not items:
            return
        tasks = min(len(items), max(LEAST_TASKS, -(-rows // ROWS_OF_A_TASK)))
        handed_out = self.session.range(0, len(items), 1, numPartitions=tasks)
        try:
            made = handed_out.mapInArrow(work, "place bigint, made binary").toArrow()
        except PySparkException as error:
            found = raised_by_worker(error)
            if found is None:
                raise
            raise found from error
        for table in made.sort_by("place")["made"]:
            yield pa.ipc.open_stream(table.as_buffer()).read_all()


def _set_imports_aside() -> None:
    """Spark has a worker collect its garbage after each task. To go through all that it has imported, which
    is none, takes longer than a small task."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
