"""Twelve features of 10M events beside DuckDB's windows, on the same Parquet in the same run, as of decisions
and as of the end of the day.

Prints times, ratios and memory; says nothing about how fast is fast enough: that depends on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from tests.benchmarks.features import simulated
from tests.benchmarks.features.ways import by_duckdb, by_file_command
from tests.benchmarks.processes import alone

EVENTS, USERS, DECISIONS, THREADS = 10_000_000, 200_000, 1_000_000, 2
WAYS: dict[str, Callable[[Path, Path, Path], None]] = {
    "nightslate features": by_file_command,
    "DuckDB, windows": partial(by_duckdb, threads=THREADS),
}
ORDER = [("user_id", "ascending"), ("as_of", "ascending")]


def test_features_as_of_moments(tmp_path: Path) -> None:
    activity = simulated.activity(EVENTS, USERS)
    asked = {
        f"as of {DECISIONS:,} decisions": simulated.decisions(DECISIONS, USERS),
        f"as of the end of the day, {USERS:,} users": simulated.end_of_day(USERS),
    }
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "time", "x DuckDB (aim 1.5)", "memory (aim 3 GB)"):
        table.add_column(column, justify="right" if column else "left")
    for what, as_of in asked.items():
        table.add_row(what, style="bold")
        outs = {name: tmp_path / f"{place}-{as_of.name}" for place, name in enumerate(WAYS)}
        took = {name: alone(partial(way, activity, as_of, outs[name])) for name, way in WAYS.items()}
        for name, (seconds, peak) in took.items():
            ratio = seconds / took["DuckDB, windows"][0]
            table.add_row(name, f"{seconds:.1f} s", f"{ratio:.2f}", f"{peak / 2**30:.2f} GB")
        require_equal(*outs.values())
    console = Console(width=110)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console.print(f"\n12 features, {EVENTS:,} events, {cores} cores, load {load:.1f}", highlight=False)
    console.print(table)


def test_a_bot(tmp_path: Path) -> None:
    """A million events of one user, and a thousand moments of its own: what is asked of it stays bounded."""
    activity, asked = simulated.activity(1_000_000, 1), simulated.decisions(1_000, 1)
    seconds, peak = alone(partial(by_file_command, activity, asked, tmp_path / "bot.parquet"))
    console = Console(width=110)
    console.print(f"\na bot, 1,000,000 events, 1,000 moments: {seconds:.1f} s, {peak / 2**30:.2f} GB")


def require_equal(ours: Path, theirs: Path) -> None:
    """Fail unless both files have the same features, but for the order of sums."""
    mine, others = (pq.read_table(path).sort_by(ORDER) for path in (ours, theirs))
    for name in mine.column_names:
        left, right = mine[name], others[name].cast(mine[name].type)
        assert left.null_count == right.null_count
        if name == "as_of" or not str(left.type).startswith("double"):
            assert left.equals(right), name
        else:
            difference = abs(left.to_numpy() - right.to_numpy()) / (1 + abs(right.to_numpy()))
            assert not (difference > 1e-9).any(), name
