"""Commands of nightslate as processes that can be struck, stopped, watched and waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType

import psutil

import nightslate
from tests.integration.pipeline import world

PATIENCE_SECONDS = 1200.0
_STRUCK = Path(world.__file__).with_name("struck.py")


class Process:
    """One command in a group of its own; leaving the block ends what is left of the group."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.popen = psutil.Popen(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "NIGHTSLATE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with suppress(ProcessLookupError):  # everybody may have left already
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self._said.close()

    @property
    def said(self) -> str:
        """What it has printed so far, errors included."""
        self._said.seek(0)
        return self._said.read()

    def wait(self) -> int:
        """The exit code; minus the signal where one ended it. Fails where it hangs."""
        return int(self.popen.wait(PATIENCE_SECONDS))

    def wait_until_stopped(self) -> None:
        """Fails where it ends instead."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.popen.status() != psutil.STATUS_STOPPED:
            assert self.popen.poll() is None, self.said[-3000:]
            assert time.monotonic() < deadline, self.said[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """With all that it has started."""
        for process in (self.popen, *self.popen.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                process.suspend()

    def go_on(self) -> None:
        """After a stop."""
        for process in (self.popen, *self.popen.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def succeed(self) -> None:
        """Wait for the end, which must be a good one."""
        assert self.wait() == 0, self.said[-3000:]


def night(day: date) -> tuple[str, ...]:
    """The command that runs a night."""
    return ("run", "--program", world.PROGRAM, "--ds", str(day))


def step(name: str, day: date) -> tuple[str, ...]:
    """The command that runs one step of a night."""
    return ("step", name, "--program", world.PROGRAM, "--ds", str(day))


def start(home: Path, *command: str) -> Process:
    """`nightslate COMMAND` on a warehouse."""
    return Process(home, "-m", "nightslate.cli", *command)


JOB = Path(nightslate.__file__).parent / "jobs" / "run_step.py"


def start_job(home: Path, name: str, day: date) -> Process:
    """One step of a night as its Spark application, in one process."""
    return Process(home, str(JOB), name, "--program", world.PROGRAM, "--ds", str(day))


def struck(home: Path, sign: signal.Signals, moment: tuple[str, ...], *command: str) -> Process:
    """The same, sending itself a signal at the first moment of the kind: see struck.py."""
    return Process(home, str(_STRUCK), sign.name, "1", *moment, *command)


def run(home: Path, *command: str) -> None:
    """`nightslate COMMAND` to its good end."""
    with start(home, *command) as process:
        process.succeed()
