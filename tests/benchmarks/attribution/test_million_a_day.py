"""A whole night with a million impressions a day in a window of two weeks, and a million users to score:
where time and memory go by step, on each engine, and what ingest takes beside bare DuckDB.

It takes minutes, so it is a twentieth of that unless NIGHTSLATE_BENCH_LARGE says how many million impressions
a day; of ten million, two million users see them. Says nothing about how fast is fast enough, since that
depends on the machine.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.attribution.million import DAYS, PROGRAM, SLOTS, SPEC, prepare
from tests.benchmarks.attribution.watching import Watch, watched
from tests.benchmarks.engines import ENGINES
from tests.benchmarks.memory import Sample
from tests.benchmarks.test_night import Span, environment

from nightslate import programs
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import STEPS as DECLARED

STEPS = tuple(step.name for step in DECLARED if step.name != "transitions")

MILLIONS = int(os.environ.get("NIGHTSLATE_BENCH_LARGE", "0"))
IMPRESSIONS = MILLIONS * 1_000_000 or 50_000
USERS = min(IMPRESSIONS, 2_000_000)


@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_million_impressions_a_day(engine: str, tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / f"{PROGRAM}.yaml").write_text(SPEC)
    key = secrets.token_hex(32)
    night = Night(programs.load(tmp_path / "dags" / f"{PROGRAM}.yaml"), DAYS[-1], tmp_path / "home")
    began = time.time()
    prepare(night, USERS, IMPRESSIONS, Pseudonymiser(key.encode(), "1"))
    prepared, busy = time.time() - began, os.getloadavg()[0]
    duckdb = ingest_by_duckdb(night, tmp_path, key)

    variables = {"NIGHTSLATE_DAGS": str(tmp_path / "dags"), "NIGHTSLATE_PSEUDONYM_KEY": key}
    arguments = ["-m", "tests.benchmarks.night", engine, PROGRAM, str(night.ds)]
    lines, watch = watched(arguments, tmp_path / "stderr", {**environment(night.home), **variables})
    spans = [Span(**json.loads(line)) for line in lines if line.startswith("{")]

    steps = {span.name: span for span in spans if span.kind == "step"}
    assert tuple(steps) == STEPS
    console = Console(width=150)
    console.print(
        f"\n{IMPRESSIONS:,} impressions a day for {len(DAYS)} days, {USERS:,} users to score, on {engine};"
        f" {len(os.sched_getaffinity(0))} cores, load before {busy:.1f}; made in {prepared:.0f} s",
        highlight=False,
    )
    console.print(by_step(spans, watch))
    for name, span in steps.items():
        console.print(f"{name}: {span.done}", highlight=False)
    ingest, score, audit = (of_step(spans, name) for name in ("ingest", "score", "audit"))
    console.print(
        f"ingest, with its imports, beside DuckDB's {duckdb:.1f} s: {ingest / duckdb:.2f} x;"
        f" audit beside score: {audit / score:.2f} x",
        highlight=False,
    )
    if not MILLIONS:
        console.print("a million, or ten: NIGHTSLATE_BENCH_LARGE=1 make bench, or =10")


def ingest_by_duckdb(night: Night, folder: Path, key: str) -> float:
    """Seconds of a process that takes in the same landing files by bare DuckDB."""
    began, landing = time.time(), night.warehouse.landing(night.name, "impressions", night.ds).parents[1]
    arguments = map(str, (landing, night.ds, folder / "by-duckdb", night.program.buckets, key))
    script = ["-m", "tests.benchmarks.attribution.duckdb_ingest", *arguments]
    lines, _ = watched(script, folder / "stderr")
    took = time.time() - began
    assert int(lines[-1]) > IMPRESSIONS // SLOTS * SLOTS + USERS
    return took


def of_step(spans: list[Span], name: str) -> float:
    """Seconds of a step and of what it imports."""
    return sum(span.seconds for span in spans if span.name == name)


def by_step(spans: list[Span], watch: Watch) -> Table:
    """One row a step, with its imports: time, processor time and the most memory by kind of process."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in (
        "time",
        "share",
        "driver computes",
        "JVM",
        "workers",
        "most memory",
        "driver",
        "JVM",
        "workers",
    ):
        table.add_column(column, justify="right")
    whole = spans[-1].ended - spans[0].began
    parts = {"start-up": (spans[0].began, next(span for span in spans if span.name == "engine").ended)}
    for name in STEPS:
        of_step = [span for span in spans if span.name == name]
        parts[name] = of_step[0].began, of_step[-1].ended
    parts["all"] = spans[0].began, spans[-1].ended
    for name, (began, ended) in parts.items():
        computed = (f"{seconds:.0f} s" for seconds in watch.processor(began, ended).values())
        share = f"{(ended - began) / whole:.0%}"
        table.add_row(name, f"{ended - began:.1f} s", share, *computed, *memory(watch.peak(began, ended)))
    return table


def memory(most: Sample | None) -> list[str]:
    """A sample, whole and by kind of process; nothing for what was over between two samples."""
    sizes = (most.total, most.driver, most.jvm, most.workers) if most else ()
    return [f"{size / 1e9:.2f} GB" for size in sizes]
