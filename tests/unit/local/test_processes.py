"""Marked processes are found and ended, whatever became of the one that started them."""

import os
import time
from pathlib import Path

import psutil
import pytest

from nightslate.local import processes

FORKING = ["sh", "-c", "setsid sleep 300 & echo started; exit 0"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.1; done"]


def spawn(command: list[str], folder: Path) -> None:
    processes.spawn("service", command, os.environ, folder)
    log = processes.log_file("service", folder)
    deadline = time.monotonic() + 10
    while "started" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_grandchild_in_a_session_of_its_own_is_found_after_its_parent_has_gone(tmp_path: Path) -> None:
    spawn(FORKING, tmp_path)

    assert [process.name() for process in wait_until_alone(tmp_path)] == ["sleep"]
    assert processes.stop_marked(tmp_path) == 1
    assert processes.marked(tmp_path) == []


def test_one_that_ignores_the_polite_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.5)
    spawn(STUBBORN, tmp_path)

    processes.stop_marked(tmp_path)

    assert processes.marked(tmp_path) == []


def test_another_warehouse_is_left_alone(tmp_path: Path) -> None:
    spawn(FORKING, tmp_path / "mine")
    spawn(FORKING, tmp_path / "other")

    processes.stop_marked(tmp_path / "mine")

    assert len(wait_until_alone(tmp_path / "other")) == 1
    processes.stop_marked(tmp_path / "other")


def test_stopping_nothing_is_fine(tmp_path: Path) -> None:
    assert processes.stop_marked(tmp_path) == 0


def wait_until_alone(folder: Path) -> list[psutil.Process]:
    """The marked processes, once only the grandchild is left."""
    deadline = time.monotonic() + 10
    while len(found := processes.marked(folder)) != 1 or found[0].name() != "sleep":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
