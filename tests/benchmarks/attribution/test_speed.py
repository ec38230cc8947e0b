"""Last touch beside DuckDB's ASOF join and Polars' join_asof, on the same Parquet in the same run.

Prints times and ratios; says nothing about how fast is fast enough, since that depends on the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from tests.benchmarks.attribution.by_buckets import by_buckets
from tests.benchmarks.attribution.histories import Histories
from tests.benchmarks.attribution.ways import (
    by_duckdb,
    by_file_command,
    by_polars,
    by_spark_windows,
    figures,
)

from nightslate.engines import LocalEngine
from nightslate.engines.spark import SparkEngine, spark_session

HISTORIES, BUCKETS, THREADS = Histories(10_000_000), 8, 2
DUCKDB, POLARS = "DuckDB, ASOF join", "Polars, join_asof"
FILES, LOCAL, SPARK = "nightslate attribute", "nightslate by bucket", "nightslate by bucket, Spark"
WINDOWS = "Spark, window over the union"
AIMS = {FILES: ("1", "1"), LOCAL: ("2", "1"), SPARK: ("2", "1")}
"""The most that each may take, in times of DuckDB and of Polars."""

NOTE = f"""warm: the better of two runs after one; the window over the union: one run. All write credits as
Parquet. `nightslate attribute` also checks each row and finds ids that stand twice. By bucket, engines
read tables as ingest lays them out, {BUCKETS} buckets; the others read files in the order of time."""


def test_last_touch(tmp_path: Path) -> None:
    files, tables = HISTORIES.files(), HISTORIES.tables(BUCKETS)
    spark = spark_session("attribution")
    ways: Mapping[str, Callable[[Path], None]] = {
        DUCKDB: lambda out: by_duckdb(*files, out, THREADS),
        POLARS: lambda out: by_polars(*files, out),
        FILES: lambda out: by_file_command(*files, out),
        LOCAL: lambda out: by_buckets(LocalEngine(), tables, BUCKETS, out),
        SPARK: lambda out: by_buckets(SparkEngine(spark), tables, BUCKETS, out),
        WINDOWS: lambda out: by_spark_windows(spark, *files, out),
    }
    times, found = {}, {}
    for number, (name, way) in enumerate(ways.items()):
        out = tmp_path / f"{number}.parquet"
        runs = [took(partial(way, out)) for _ in range(1 if name == WINDOWS else 3)]
        times[name], found[name] = min(runs[1:] or runs), figures(out)
    spark.stop()
    assert 0 < found[DUCKDB][0] < HISTORIES.outcomes
    assert set(found.values()) == {found[DUCKDB]}, found

    console = Console(width=110)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console.print(
        f"\nlast touch: {HISTORIES.impressions:,} impressions, {HISTORIES.outcomes:,} outcomes,"
        f" {HISTORIES.users:,} users; {found[FILES][0]:,} outcomes credited; {cores} cores, load {load:.1f}",
        highlight=False,
    )
    console.print(compared(times))
    console.print(NOTE, highlight=False)


def took(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and those of processor time of this process and all that it has started."""
    began, computed = time.perf_counter(), processor_time()
    work()
    return time.perf_counter() - began, processor_time() - computed


def processor_time() -> float:
    """Seconds so far; processes that have ended count with the one that started them."""
    process = psutil.Process()
    tree = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:4]) for one in tree)


def compared(times: Mapping[str, tuple[float, float]]) -> Table:
    """Seconds of each way, and how many times as long as DuckDB and Polars it takes."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in ("time", "x DuckDB", "aim", "x Polars", "aim", "processor"):
        table.add_column(column, justify="right")
    for name, (seconds, computed) in times.items():
        aims = AIMS.get(name, ("", ""))
        of_duckdb, of_polars = (f"{seconds / times[peer][0]:.2f}" for peer in (DUCKDB, POLARS))
        table.add_row(name, f"{seconds:.2f} s", of_duckdb, aims[0], of_polars, aims[1], f"{computed:.1f} s")
    return table
