"""Twenty metrics of three variants over 10M users beside tea-tasting on DuckDB, on the same Parquet in the
same run, without segments and by ten of them.

Prints times, ratios and memory; says nothing about how fast is fast enough: that depends on the machine.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from tests.benchmarks.peers import ask, peer_python
from tests.benchmarks.processes import alone

from nightslate.errors import MachineError
from nightslate.files.readout.as_json import as_json
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.readout import readout

USERS, BATCH, THREADS = 10_000_000, 1_000_000, 2
VARIANTS, SEGMENTS, METRICS = (
    ("a", "b", "c"),
    tuple(f"s{k}" for k in range(10)),
    tuple(f"m{k}" for k in range(20)),
)
TIMES = Path(__file__).parents[1] / "readout_side" / "tea_tasting_times.py"


def test_twenty_metrics_of_10m_users(tmp_path: Path) -> None:
    console, users = Console(width=110), tmp_path / "users.parquet"
    alone(partial(write_users, users, 0))  # a process that others start would count its memory as theirs
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "time", "x tea-tasting", "memory (aim 3 GB)"):
        table.add_column(column, justify="right" if column else "left")
    for by_segment, what in enumerate(("all users", f"all users, and {len(SEGMENTS)} segments")):
        out = tmp_path / f"{by_segment}.json"
        seconds, peak = alone(partial(ours, users, by_segment, out))
        theirs = peer(users, by_segment)
        table.add_row(what, style="bold")
        ratio = f"{seconds / theirs['seconds']:.2f}" if theirs else ""
        table.add_row("nightslate readout", f"{seconds:.1f} s", ratio, f"{peak / 2**30:.2f} GB")
        if theirs:
            took, most = theirs["seconds"], theirs["peak"] / 2**30
            table.add_row("tea-tasting, DuckDB", f"{took:.1f} s", "1.00", f"{most:.2f} GB")
            found = effects(json.loads(out.read_text()), by_segment)
            assert np.allclose(found, theirs["effects"], rtol=0, atol=1e-8)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    console.print(
        f"\n{len(METRICS)} metrics, {len(VARIANTS)} variants, {USERS:,} users;"
        f" {cores} cores, load {load:.1f}",
        table,
        highlight=False,
    )


def write_users(path: Path, seed: int) -> None:
    """A row a user, BATCH at a time."""
    writer, rng = None, np.random.default_rng(seed)
    for begin in range(0, USERS, BATCH):
        columns: dict[str, Any] = {
            "user_id": np.char.mod("u%09d", np.arange(begin, begin + BATCH)),
            "variant": np.array(VARIANTS)[rng.integers(0, len(VARIANTS), BATCH)],
            "segment": np.array(SEGMENTS)[rng.integers(0, len(SEGMENTS), BATCH)],
        }
        for place, name in enumerate(METRICS):
            columns[name] = rng.gamma(1.0, 2.0, BATCH) if place % 2 else rng.poisson(3, BATCH)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def ours(users: Path, by_segment: int, out: Path) -> None:
    """What `nightslate readout --json` prints."""
    pa.set_cpu_count(THREADS)
    options = ReadoutOptions.of(
        control="a",
        metrics=METRICS,
        shares="a=0.25,b=0.25,c=0.5",
        segment="segment" if by_segment else None,
    )
    out.write_text(json.dumps(as_json(readout(users, options, None, lambda *_: None))))


def peer(users: Path, by_segment: int) -> dict[str, Any] | None:
    """How long it takes, and the effects; None where it can't be installed."""
    try:
        python = peer_python("tea_tasting")
    except MachineError as error:
        Console(width=110).print(f"\ntea-tasting: not compared. {error}", highlight=False)
        return None
    found: dict[str, Any] = ask(
        python, TIMES, {"metrics": np.array(METRICS)}, str(users), str(by_segment), str(THREADS)
    )
    return found


def effects(found: dict[str, Any], by_segment: int) -> list[list[float]]:
    """As the peer gives them."""
    parts = found["segments"].values() if by_segment else [found["metrics"]]
    return [[part[name][variant]["effect"] for name in METRICS] for part in parts for variant in VARIANTS[1:]]
