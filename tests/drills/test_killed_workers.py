"""Spark's Python workers are killed (SIGKILL) while they work for a step."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from nightslate.errors import PERMANENT_EXIT_CODES

from . import days, processes
from .conftest import Tell
from .processes import Process

pytestmark = pytest.mark.timeout(3600)

STEPS_WITH_WORKERS = ("ingest", "attribute", "train", "evaluate", "score")


def test_a_python_worker_is_killed_in_every_step_that_has_some(home: Path, clean: Path, tell: Tell) -> None:
    """Spark on one machine doesn't retry tasks: the step fails, with a code that Airflow runs again."""
    survived = []
    for step in STEPS_WITH_WORKERS:
        before = days.world.rows(home)
        with processes.start(home, *processes.step(step, days.LAST)) as process:
            _kill_first_worker(process)
            code = process.wait()
            assert code not in PERMANENT_EXIT_CODES, (step, code, process.said[-3000:])
        if code == 0:
            survived.append(step)
        else:
            assert days.world.rows(home) == before, f"{step} has failed and left something"
        processes.run(home, *processes.step(step, days.LAST))

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    tell(
        f"killed in {', '.join(STEPS_WITH_WORKERS)}; Spark saved {', '.join(survived) or 'none'}; the others"
        " failed and left the tables as they were; reruns equal a clean night"
    )


def _kill_first_worker(process: Process) -> None:
    """A worker is forked for its first task by a daemon, which forks nothing else: it is at work."""
    deadline = time.monotonic() + processes.PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.popen.poll() is None, f"no worker was seen:\n{process.said[-3000:]}"
        for worker in _workers(process.popen):
            worker.send_signal(signal.SIGKILL)
            return
        time.sleep(0.005)
    pytest.fail("no worker was seen")


def _workers(driver: psutil.Process) -> list[psutil.Process]:
    """The forks of Spark's daemon: they look like it, and it is their parent."""
    found = {process.pid: process for process in driver.children(recursive=True) if _is_forked(process)}
    return [process for process in found.values() if process.ppid() in found]


def _is_forked(process: psutil.Process) -> bool:
    try:
        return "pyspark.daemon" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False
