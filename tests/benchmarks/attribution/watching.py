"""A process and all that it starts: what it prints, its memory, and the processor time of each kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.benchmarks.memory import MemorySampler, Sample

PROJECT = Path(__file__).parents[3]
KINDS = ("driver", "jvm", "workers")


@dataclass
class Watch(MemorySampler):
    """Samples memory, and what each process has computed so far; one that ends keeps its last figure."""

    _spent: dict[tuple[int, str], float] = field(default_factory=dict)
    _totals: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def processor(self, since: float, until: float) -> dict[str, float]:
        """Seconds of processor time by kind of process between two moments."""
        at = [(moment, totals) for moment, totals in self._totals if moment <= until]
        before = [totals for moment, totals in at if moment <= since]
        return {
            kind: (at[-1][1][kind] if at else 0.0) - (before[-1][kind] if before else 0.0) for kind in KINDS
        }

    def _sample(self) -> Sample:
        sample = super()._sample()
        for process in self._tree():
            try:
                times = process.cpu_times()
                self._spent[process.pid, self._kind(process)] = times.user + times.system
            except psutil.Error:  # it has ended meanwhile
                continue
        totals = {kind: sum(s for (_, of), s in self._spent.items() if of == kind) for kind in KINDS}
        self._totals.append((sample.at, totals))
        return sample


def watched(
    arguments: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> tuple[list[str], Watch]:
    """Run Python with these arguments: the lines that it prints, and how it went; its stderr goes into
    `log`."""
    with log.open("w") as errors:
        process = psutil.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with Watch(process) as watch:
            lines = process.stdout.readlines()
            code = process.wait()
    assert code == 0, log.read_text()[-5000:]
    return lines, watch
