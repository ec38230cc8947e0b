"""Last touch over ever more impressions, each time in a process of its own: time and memory of all of it.

Prints both; asserts only that all ways credit the same. The largest size, which takes 6 GB of disk while it
runs, is measured where NIGHTSLATE_BENCH_LARGE is set.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.attribution.by_buckets import WINDOW
from tests.benchmarks.attribution.histories import Histories
from tests.benchmarks.attribution.watching import watched
from tests.benchmarks.attribution.ways import figures
from tests.benchmarks.engines import ENGINES
from tests.benchmarks.memory import Sample

SIZES = (Histories(1_000), Histories(1_000_000), Histories(10_000_000))
LARGE = Histories(100_000_000)
IMPRESSIONS_PER_BUCKET = 1_250_000


@dataclass(frozen=True)
class Run:
    """What a process took: seconds, those of processor time, and memory."""

    seconds: float
    computed: float
    most: Sample | None


@pytest.mark.timeout(3600)
def test_growth(tmp_path: Path) -> None:
    large = os.environ.get("NIGHTSLATE_BENCH_LARGE", "0") != "0"
    ways = {"nightslate attribute": file_command}
    ways |= {f"by bucket, {engine}": partial(by_buckets, engine) for engine in ENGINES}
    runs, busy = {}, os.getloadavg()[0]
    for histories in (*SIZES, LARGE) if large else SIZES:
        credited = []
        for name, command in ways.items():
            out = tmp_path / f"{name} {histories.impressions}.parquet"
            runs[name, histories.impressions] = run(command(histories, out), tmp_path / "log")
            credited.append(figures(out))
            if histories is LARGE:
                histories.remove()
        assert len(set(credited)) == 1

    console = Console(width=120)
    cores = len(os.sched_getaffinity(0))
    console.print(f"\nlast touch, start-up included; {cores} cores, load before {busy:.1f}", highlight=False)
    console.print(growth(runs))
    console.print("aim: 100,000,000 impressions within 4 GB, and time growing no faster than the impressions")
    if not large:
        console.print(f"{LARGE.impressions:,}: NIGHTSLATE_BENCH_LARGE=1 make bench (some minutes)")


def file_command(histories: Histories, out: Path) -> list[str]:
    impressions, outcomes = map(str, histories.files())
    files = ["--impressions", impressions, "--outcomes", outcomes, "--out", str(out)]
    return ["-m", "nightslate.cli", "attribute", *files, "--window", f"{WINDOW.days}d"]


def by_buckets(engine: str, histories: Histories, out: Path) -> list[str]:
    buckets = max(2, round(histories.impressions / IMPRESSIONS_PER_BUCKET))
    histories.tables(buckets)
    arguments = (engine, histories.impressions, buckets, out)
    return ["-m", "tests.benchmarks.attribution.by_buckets", *map(str, arguments)]


def run(arguments: list[str], log: Path) -> Run:
    """Run Python in a process of its own."""
    began = time.time()
    _, watch = watched(arguments, log)
    ended = time.time()
    return Run(ended - began, sum(watch.processor(began, ended).values()), watch.peak(began, ended))


def growth(runs: dict[tuple[str, int], Run]) -> Table:
    """By way and size: the time, what a million impressions add to that of start-up, and the most memory."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in (
        "impressions",
        "time",
        "per million",
        "processor",
        "most memory",
        "Python",
        "JVM",
        "workers",
    ):
        table.add_column(column, justify="right")
    for (name, impressions), run in sorted(runs.items()):
        beyond_start = run.seconds - runs[name, SIZES[0].impressions].seconds
        per_million = f"{beyond_start / impressions * 1e6:.2f} s" if beyond_start else ""
        most = run.most
        sizes = (most.total, most.driver, most.jvm, most.workers) if most else ()
        table.add_row(
            name,
            f"{impressions:,}",
            f"{run.seconds:.1f} s",
            per_million,
            f"{run.computed:.1f} s",
            *(f"{size / 1e9:.2f} GB" for size in sizes),
        )
    return table
