"""What the messages of damage say to do brings a night back, and MLflow says how each attempt ended."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from nightslate.errors import DamageError, ModelError

from . import world

pytestmark = pytest.mark.e2e

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


def flip(file: Path) -> None:
    """Changes one byte of the first page of a Parquet file."""
    content = bytearray(file.read_bytes())
    content[60] ^= 255
    file.write_bytes(content)


def file_of(home: Path, table: str, day: date) -> Path:
    return world.night(home, day).table(table).snapshot().files(day, day)[0].path


def doctor(home: Path) -> subprocess.CompletedProcess[str]:
    return nightslate(home, "doctor", "--home", str(home))


def nightslate(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, as it ends in a terminal that is wide enough for one line a message."""
    return subprocess.run(
        [sys.executable, "-m", "nightslate.cli", *arguments],
        env={**os.environ, "NIGHTSLATE_HOME": str(home), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_damaged_file_of_another_day_is_named_and_its_night_brings_it_back(
    copied: Callable[[], Path],
) -> None:
    home, before = copied(), world.DAYS[0]
    file = file_of(home, "impressions", before)
    flip(file)
    # a worker of Spark meets it
    met = nightslate(home, "step", "train", "--program", world.PROGRAM, "--ds", str(DAY))
    (line,) = (line for line in met.stderr.splitlines() if not line.startswith("Picked up JAVA_TOOL_OPTIONS"))
    assert line.startswith(f"DamageError: tiny/impressions of {before}: {file} is damaged ")
    assert line.endswith(f"`nightslate run --program tiny --ds {before}`")
    world.run_night(home, before, ("ingest",))
    world.run_night(home, DAY, ("train",))


def test_a_file_in_the_place_of_a_folder_is_named(copied: Callable[[], Path]) -> None:
    home = copied()
    staging = home / "staging" / "tiny" / "promotions"
    shutil.rmtree(staging)
    staging.write_text("")
    with pytest.raises(DamageError, match=f"^{staging}/.*: Not a directory. Move away what is in its place"):
        world.run_night(home, DAY, ("promote",))


def test_the_doctor_looks_a_whole_warehouse_over(copied: Callable[[], Path]) -> None:
    home = copied()
    sound = doctor(home)
    assert sound.returncode == 0, sound.stdout
    names = [line.removeprefix("ok   ") for line in sound.stdout.splitlines()]
    assert names == [
        *sorted(f"tiny/{path.name}" for path in (home / "tables/tiny").iterdir()),
        "models of tiny",
    ]
    model, file = damaged_champion(home), file_of(home, "credits", world.DAYS[1])
    file.unlink()
    (home / "tables/tiny/slates/_delta_log/00000000000000000001.json").write_text("{")
    ill = doctor(home)
    assert ill.returncode == 1
    failed = [line for line in ill.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(": ")[0] for line in failed] == [
        f"FAIL tiny/credits of {world.DAYS[1]}",
        "FAIL tiny/slates",
        f"FAIL tiny/models of {DAY}",
    ]
    assert f"{file} is missing" in failed[0]
    assert "00000000000000000001.json is cut short or overwritten" in failed[1]
    assert f"{model} is not the file that was recorded" in failed[2]
    assert "Traceback" not in ill.stderr
