"""The disk of the warehouse fills up while a step works."""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from nightslate.errors import MachineError
from tests.integration.pipeline import world

from . import days, processes, workers
from .conftest import Tell
from .processes import Process

pytestmark = pytest.mark.timeout(3600)

WRITE = ("nightslate.tables.staging.Attempt", "write")
COMMIT = ("nightslate.tables.commits.DayLog", "commit")
FILLS_UP_BEFORE = {"ingest": WRITE, "attribute": WRITE, "score": WRITE, "publish": COMMIT}
IN_WORKERS = ("ingest", "attribute", "score")


@pytest.fixture
def disk(tmp_path: Path, tell: Tell) -> Iterator[Path]:
    """A disk of its own, small enough to be filled."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(tmp_path)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        tell(f"skipped, no disk may be mounted here: {mounted.stderr.strip()}")
        pytest.skip(f"a disk to fill has to be mounted, which needs root: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)  # noqa: S607


def test_the_disk_is_full(other: Path, clean: Path, disk: Path, tell: Tell) -> None:
    home = days.copied(other, disk / "home")
    for step, place in FILLS_UP_BEFORE.items():
        # Nothing is ready to be published before the night has been run again, with room.
        command = processes.night if step == "publish" else None
        arguments = command(days.LAST) if command else processes.step(step, days.LAST)
        with processes.struck(home, signal.SIGSTOP, (step, "before", *place), *arguments) as process:
            process.wait_until_stopped()
            _goes_on_without_room(process, disk, home, step)

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    tell(_what_happened(FILLS_UP_BEFORE))


@pytest.mark.parametrize("engine", workers.ENGINES)
def test_the_disk_is_full_for_workers(engine: str, other: Path, clean: Path, disk: Path, tell: Tell) -> None:
    """It fills up when the first of them has just started."""
    home = days.copied(other, disk / "home")
    for step in IN_WORKERS:
        with workers.start(engine, home, step, days.LAST) as process:
            workers.first(process)
            process.stop()
            _goes_on_without_room(process, disk, home, step)

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    tell(_what_happened(IN_WORKERS))


def _goes_on_without_room(process: Process, disk: Path, home: Path, step: str) -> None:
    """What stands still is woken up on a full disk, and has to say so and leave all as it was."""
    before = world.rows(home)
    ballast = _filled(disk)
    process.go_on()
    assert process.wait() == MachineError.exit_code, (step, process.said[-3000:])
    assert "no space is left" in process.said.splitlines()[-1], (step, process.said[-3000:])
    assert world.rows(home) == before, f"{step} has failed and left something"
    ballast.unlink()


def _what_happened(steps: Iterable[str]) -> str:
    return (
        f"filled up in {', '.join(steps)}: each ended with exit code {MachineError.exit_code} and"
        " left its tables as they were; with room again, a clean night's"
    )


def _filled(disk: Path) -> Path:
    """A file that leaves no room for any other byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(os.sysconf("SC_PAGESIZE")))
        except OSError:
            return ballast
