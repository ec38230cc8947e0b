"""Processes that outlive the command that starts them, and are found again by a mark in their environment.

A mark survives what a list of process ids does not: a crash of the starter, a reused id, grandchildren in
sessions of their own (a task's spark-submit and its JVM)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARK = "NIGHTSLATE_SERVICES"
GRACE_SECONDS = 15.0


def spawn(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> psutil.Popen:
    """Start `command` in a session of its own, marked with `folder`, writing to `folder`/logs/NAME.log."""
    log = log_file(name, folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return psutil.Popen(
            list(command),
            # setproctitle writes over the environment block, and with it the mark, unless SPT_NOENV is set.
            env={**environment, MARK: str(folder), "SPT_NOENV": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def log_file(name: str, folder: Path) -> Path:
    return folder / "logs" / f"{name}.log"


def marked(folder: Path) -> list[psutil.Process]:
    """Every running process that `spawn` started for `folder`, and their descendants."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(folder):
                found.append(process)
        except psutil.Error:
            continue  # ended meanwhile, or another user's
    return found


def stop_marked(folder: Path) -> int:
    """End them all: politely, then, after `GRACE_SECONDS`, for good. Returns how many there were."""
    stopped = 0
    grace = GRACE_SECONDS
    while alive := marked(folder):
        for process in alive:
            try:
                process.terminate() if grace else process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(alive, timeout=grace or 5.0)
        stopped += len(alive)
        grace = 0.0
    return stopped


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, for an error message."""
    if not path.is_file():
        return "(no log)"
    return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])
