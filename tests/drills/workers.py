"""Steps that other processes work for: those of the local engine, and Spark's; and who they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import psutil
import pytest

from . import processes
from .processes import Process

ENGINES = ("local", "Spark")
LOKY = "joblib.externals.loky.backend.popen_loky_posix"


def start(engine: str, home: Path, step: str, day: date) -> Process:
    """A step, as a scheduler does it on either engine."""
    if engine == "Spark":
        return processes.start_job(home, step, day)
    return Process(home, "-m", "tests.drills.two_processes", *processes.step(step, day))


def run(engine: str, home: Path, step: str, day: date) -> None:
    """The same to its good end."""
    with start(engine, home, step, day) as process:
        process.succeed()


def first(process: Process) -> psutil.Process:
    """A worker that has just been started, which is because there is work for it."""
    deadline = time.monotonic() + processes.PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.popen.poll() is None, f"no worker was seen:\n{process.said[-3000:]}"
        for worker in _workers(process.popen):
            return worker
        time.sleep(0.005)
    pytest.fail("no worker was seen")


def _workers(driver: psutil.Process) -> Iterator[psutil.Process]:
    """Those of joblib; and the forks of Spark's daemon, which look like it, and it is their parent."""
    daemons = set()
    for process in driver.children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            command = process.cmdline()
            if "pyspark.daemon" in command:
                daemons.add(process.pid)
            if LOKY in command or process.ppid() in daemons:
                yield process
