"""Whole nights of a program with three treatments, whose shares follow the context: 20 segments read out, all
users of the day scored and assigned, from landing files to published tables, on the local engine. By step the
time, the processor time and memory of all processes, beside the processor time of bare numpy for the same
arithmetic and of bare pyarrow for the same files; for some users, and for ten times as many.

It takes minutes, so these are few users unless NIGHTSLATE_BENCH_LARGE says how many millions there are at
most. Says nothing about how fast is fast enough: that depends on the machine.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.allocation import floor
from tests.benchmarks.allocation.crowd import FIRST, PROGRAM, SPEC, land
from tests.benchmarks.attribution.watching import Watch, watched
from tests.benchmarks.processes import alone
from tests.benchmarks.test_night import Span, environment

from nightslate import programs
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import OF_ALL_NIGHTS

MILLIONS = float(os.environ.get("NIGHTSLATE_BENCH_LARGE", "0"))
MOST = int(MILLIONS * 1_000_000) or 100_000
SIZES = (MOST // 10, MOST)
NIGHTS = int(os.environ.get("NIGHTSLATE_BENCH_NIGHTS", "3"))

OF_TONIGHT = {
    "effects": (("users",), ("scores",)),
    "readout": (("impressions", "outcomes", "assignments"), ()),
    "allocate": (("users", "scores", "assignments"), ("assignments",)),
    "assign": (("users", "scores", "assignments"), ()),
    "rollout_report": (("users", "scores", "assignments"), ()),
}
"""By step the tables of which it reads the newest day, and writes it."""


@dataclass(frozen=True)
class Step:
    """seconds: that it takes; computed: processor seconds of all processes; memory: bytes at most."""

    name: str
    seconds: float
    computed: float
    memory: int
    done: str


@dataclass(frozen=True)
class Crowded:
    """A warehouse of so many users, and the key of its pseudonyms."""

    users: int
    home: Path
    key: str

    def night(self, number: int) -> Night:
        program = programs.load(self.home / "dags" / f"{PROGRAM}.yaml")
        pseudonymiser = Pseudonymiser(self.key.encode(), "1")
        return Night(program, FIRST + timedelta(days=number), self.home, pseudonymiser=pseudonymiser)

    def land(self, number: int) -> None:
        land(self.night(number), self.users)

    def played(self, number: int) -> list[Step]:
        """The steps of a night, which a process of its own runs."""
        dags = {"NIGHTSLATE_DAGS": str(self.home / "dags"), "NIGHTSLATE_PSEUDONYM_KEY": self.key}
        left_out = [f"-{step}" for step in OF_ALL_NIGHTS]
        night = ["-m", "tests.benchmarks.night", "local", PROGRAM, *left_out, str(self.night(number).ds)]
        lines, watch = watched(night, self.home / "stderr", {**environment(self.home), **dags})
        return [*_steps([Span(**json.loads(line)) for line in lines if line.startswith("{")], watch)]

    def files(self, names: Sequence[str]) -> list[Path]:
        """Those of the newest day of some tables."""
        night, found = self.night(0), []
        for name in names:
            files = night.table(name).snapshot().files()
            found += [file.path for file in files if file.day == files[-1].day]
        return found


def _steps(spans: Sequence[Span], watch: Watch) -> Iterator[Step]:
    for span in spans:
        if span.kind == "step":
            most, computed = watch.peak(span.began, span.ended), watch.processor(span.began, span.ended)
            yield Step(span.name, span.seconds, sum(computed.values()), most.total if most else 0, span.done)
    whole, began, ended = "all", spans[0].began, spans[-1].ended
    most, computed = watch.peak(began, ended), watch.processor(began, ended)
    yield Step(whole, ended - began, sum(computed.values()), most.total if most else 0, "")


@pytest.mark.timeout(6 * 3600)
def test_nights_of_a_crowd(tmp_path: Path) -> None:
    console, last = Console(width=150), NIGHTS - 1
    for users in SIZES:
        crowd = Crowded(users, tmp_path / f"{users}", secrets.token_hex(32))
        (crowd.home / "dags").mkdir(parents=True)
        (crowd.home / "dags" / f"{PROGRAM}.yaml").write_text(SPEC)
        nights = []
        for number in range(NIGHTS):
            alone(partial(crowd.land, number))
            nights.append(crowd.played(number))
            console.print(
                f"\n{users:,} users, night {number + 1} of {NIGHTS};"
                f" {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
                highlight=False,
            )
            console.print(_told(nights[-1], crowd), highlight=False)
        scored = next(step.done for step in nights[last] if step.name == "effects")
        assert "scores of" in scored
    if not MILLIONS:
        console.print("a million users, or ten: NIGHTSLATE_BENCH_LARGE=1 make bench, or =10")


def _told(steps: Sequence[Step], crowd: Crowded) -> Table:
    arithmetic, table = floor.seconds(crowd.users), Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "time", "computed", "bare numpy", "bare pyarrow", "x both", "memory at most"):
        table.add_column(column, justify="right" if column else "left")
    for step in steps:
        bare = ["", "", ""]
        if step.name in OF_TONIGHT:
            read, written = (crowd.files(names) for names in OF_TONIGHT[step.name])
            numbers = arithmetic.get(step.name, 0.0)
            files = floor.of_files(read, written, crowd.home / "again.parquet")
            bare = [f"{numbers:.1f} s", f"{files:.1f} s", f"{step.computed / (numbers + files):.1f}"]
        memory = f"{step.memory / 1e9:.2f} GB"
        table.add_row(step.name, f"{step.seconds:.1f} s", f"{step.computed:.1f} s", *bare, memory)
    return table
