"""What the messages of damage say to do brings a night back, and MLflow says how each attempt ended."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightslate.errors import ModelError

from . import world

DAY = world.DAYS[2]


def status(home: Path) -> tuple[str, str | None]:
    """Of the night's newest run in MLflow: its status, and the reason why it failed."""
    night = world.night(home, DAY)
    run = night.mlflow.get_run(night.run().id)
    return run.info.status, run.data.tags.get("nightslate.failed")


def damaged_champion(home: Path) -> Path:
    """Flips a byte of the model that scores the night."""
    night = world.night(home, DAY)
    learner = {row["learner"]: row["digest"] for row in night.rows("models").to_pylist()}
    (version,) = [
        found
        for found in night.mlflow.search_model_versions(f"name = '{world.PROGRAM}'")
        if found.tags["nightslate.digest"] == learner["uniform"]
    ]
    file = Path(version.source.removeprefix("file://")) / "policy.npz"
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    return file


def test_a_night_with_a_damaged_model_is_trained_again_and_goes_on(copied: Callable[[], Path]) -> None:
    home = copied()
    before = world.rows_of_night(home, DAY)
    assert status(home) == ("FINISHED", None)
    file = damaged_champion(home)
    with pytest.raises(ModelError, match=str(file)):
        world.run_night(home, DAY, ("score",))
    failed, reason = status(home)
    assert failed == "FAILED"
    assert reason is not None
    assert reason.startswith(f"score: ModelError: {file} is not the file that was recorded")

    world.run_night(home, DAY, ("train",))
    assert status(home) == ("RUNNING", None)
    world.run_night(home, DAY, ("score", "audit", "publish", "report"))
    assert status(home) == ("FINISHED", None)
    assert world.rows_of_night(home, DAY) == before


def test_a_step_that_is_asked_to_stop_ends_its_run(copied: Callable[[], Path]) -> None:
    home = copied()
    moment = ("SIGTERM", "1", "promote", "before", "nightslate.tables.commits.DayLog", "commit")
    stopped = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("struck.py")),
            *moment,
            *("step", "promote", "--program", world.PROGRAM, "--ds", str(DAY)),
        ],
        env={**os.environ, "NIGHTSLATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 143, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert status(home) == ("FAILED", "promote: it was told to stop")
