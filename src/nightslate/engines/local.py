"""The processes of one machine. No Java, and nothing of Spark is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from joblib import Parallel, delayed, parallel_config

from nightslate.engines.engine import Engine, Item, Task
from nightslate.engines.threads import one_blas_thread

FEW_ROWS = 200_000
"""So many are gone over before other processes have imported what they need."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class LocalEngine(Engine):
    """One BLAS thread a process, as on Spark: sums then never depend on the number of cores."""

    processes: int = field(default_factory=cores)

    def run(self, task: Task[Item], items: Sequence[Item], rows: int) -> Iterator[pa.Table]:
        if rows <= FEW_ROWS or len(items) < 2 or self.processes < 2:
            for item in items:
                with one_blas_thread():
                    made = task(item)
                yield made
            return
        with parallel_config(backend="loky", inner_max_num_threads=1):
            processes = Parallel(n_jobs=self.processes, return_as="generator")
            made = processes(delayed(task)(item) for item in items)
        yield from made
