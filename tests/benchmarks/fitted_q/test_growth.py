"""Fitted Q iteration over ever more transitions, each time in a process of its own: time and memory.

Prints both and asserts nothing. The largest size is measured where NIGHTSLATE_BENCH_LARGE is set.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.attribution.watching import watched
from tests.benchmarks.fitted_q.growing import LEARNER

SIZES, LARGE = (50_000, 500_000), 5_000_000
AIM = "aim: 5,000,000 transitions within 10 minutes and 8 GB on 2 cores"


@pytest.mark.timeout(3600)
def test_growth(tmp_path: Path) -> None:
    large = os.environ.get("NIGHTSLATE_BENCH_LARGE", "0") != "0"
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("transitions", "next states", "fit", "per million", "values of all", "most memory"):
        table.add_column(column, justify="right")
    busy = os.getloadavg()[0]
    for size in (*SIZES, LARGE) if large else SIZES:
        lines, watch = watched(["-m", "tests.benchmarks.fitted_q.growing", str(size)], tmp_path / "log")
        began, ended, valued, different = map(float, lines)
        most = watch.peak(began, valued)
        table.add_row(
            f"{size:,}",
            f"{different:,.0f}",
            f"{ended - began:.1f} s",
            f"{(ended - began) / size * 1e6:.1f} s",
            f"{valued - ended:.1f} s",
            f"{most.total / 1e9:.2f} GB" if most else "",
        )

    console = Console(width=110)
    cores = len(os.sched_getaffinity(0))
    console.print(
        f"\n{LEARNER.iterations} iterations of {LEARNER.estimator}; {cores} cores, load before {busy:.1f}"
    )
    console.print(table)
    console.print(AIM)
    if not large:
        console.print(f"{LARGE:,}: NIGHTSLATE_BENCH_LARGE=1 make bench (some minutes)")
