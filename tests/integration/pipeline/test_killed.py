"""Every step is killed (SIGKILL) at its worst moment, then run again: the night equals a clean one."""

import shutil
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from nightslate import programs
from nightslate.pipeline.plan import plan
from tests.integration.nights import PAGES, run_night
from tests.prepared import Prepared

from . import letters, shipped_rollout, world
from .conftest import relocate

pytestmark = pytest.mark.e2e

DAY = world.DAYS[0]

# Where each step dies: (what is about to do something irreversible, its method, at which call).
WORST_MOMENT = {
    "ingest": ("nightslate.tables.commits.DayLog", "commit", 3),
    "attribute": ("nightslate.tables.commits.DayLog", "commit", 1),
    "train": ("nightslate.tables.commits.DayLog", "commit", 1),
    "evaluate": ("nightslate.tables.commits.DayLog", "commit", 1),
    "promote": ("nightslate.tables.commits.DayLog", "commit", 1),
    "score": ("nightslate.tables.staging.Attempt", "seal", 1),
    "audit": ("nightslate.tables.staging.Staged", "mark_audited", 1),
    "publish": ("nightslate.tables.commits.DayLog", "commit", 1),
    "report": ("nightslate.models.tracking.NightRun", "finish", 1),
    "dashboard": ("pathlib.Path", "replace", 1),
    "data_docs": ("great_expectations.data_context.EphemeralDataContext", "build_data_docs", 1),
}

# The same of steps that only other programs have; who writes several tables dies between them.
OF_LETTERS = {
    "send": ("nightslate.tables.commits.DayLog", "commit", 1),
    "readout": ("nightslate.tables.commits.DayLog", "commit", 2),
}
OF_ROLLOUTS = {
    "effects": ("nightslate.tables.commits.DayLog", "commit", 2),
    "allocate": ("nightslate.tables.commits.DayLog", "commit", 2),
    "assign": ("nightslate.tables.commits.DayLog", "commit", 1),
    "rollout_report": ("nightslate.models.tracking.NightRun", "finish", 1),
    "retain": ("pathlib.Path", "unlink", 2),  # the marker is gone, and the file is there
}
KEPT = """
retention: {tables: {feature_drift: 1d}, landing: {activity: 1d}}
"""
READ_OUT = """
experiment:
  control: randomised
  metrics: {replies: {source: outcomes, where: {kind: reply}}}
"""


@pytest.fixture(scope="module")
def python() -> Iterator[Prepared]:
    steps = (f"nightslate.pipeline.steps.{step}" for step in {**WORST_MOMENT, **OF_LETTERS, **OF_ROLLOUTS})
    with Prepared("tests.integration.pipeline.struck", *steps) as prepared:
        yield prepared


def test_every_step_has_a_worst_moment() -> None:
    assert list(WORST_MOMENT) == [task.name for task in plan(programs.find(world.PROGRAM))]


@pytest.mark.timeout(900)
def test_a_night_killed_in_every_step_and_rerun_equals_a_clean_one(
    python: Prepared, three_nights: Path, landed: Path
) -> None:
    for step, moment in WORST_MOMENT.items():
        kill(python, step, moment, world.PROGRAM, DAY, landed)
        world.run_night(landed, DAY, (step,))

    assert world.rows_of_night(landed, DAY) == world.rows_of_night(three_nights, DAY)


@pytest.mark.timeout(900)
def test_what_comes_after_a_night_killed_and_rerun_equals_a_clean_one(
    python: Prepared, tmp_path: Path, program: None
) -> None:
    letters.DECLARED.write(letters.SPEC.replace(", epsilon: auto", "") + READ_OUT)
    before, clean = tmp_path / "before", tmp_path / "clean"
    for number in range(2):
        letters.land(before, number)
        run_night(letters.night(before, number), but=(*PAGES, *(OF_LETTERS if number else ())))
    shutil.copytree(before, clean)
    relocate(clean, before)
    run_night(letters.night(clean, 1), *OF_LETTERS)
    for step, moment in OF_LETTERS.items():
        kill(python, step, moment, letters.PROGRAM, letters.DAYS[1], before)
        run_night(letters.night(before, 1), step)
    for table in ("sends", "readouts", "sample_ratios", "readout_decisions"):
        left, wanted = (letters.rows(home, table).sort(pl.all()) for home in (before, clean))
        assert left.equals(wanted)
        assert len(left) > 0


@pytest.mark.timeout(900)
def test_a_night_of_a_rollout_killed_and_rerun_equals_a_clean_one(
    python: Prepared, tmp_path: Path, program: None
) -> None:
    rollout = shipped_rollout.DECLARED
    rollout.write(shipped_rollout.SPEC + KEPT)
    before, clean = tmp_path / "before", tmp_path / "clean"
    shipped_rollout.land(before)
    run_night(rollout.night(before, 0), *shipped_rollout.ASSIGNS)
    run_night(rollout.night(before), but=(*PAGES, *OF_ROLLOUTS))
    shutil.copytree(before, clean)
    relocate(clean, before)
    run_night(rollout.night(clean), *OF_ROLLOUTS)
    for step, moment in OF_ROLLOUTS.items():
        kill(python, step, moment, rollout.program, rollout.days[-1], before)
        run_night(rollout.night(before), step)
    for path in sorted((clean / "tables" / rollout.program).iterdir()):
        left, wanted = (rollout.rows(home, path.name).sort(pl.all()) for home in (before, clean))
        assert left.equals(wanted), path.name
    assert len(rollout.rows(before, "scores")) > 0
    gone = before / "landing" / rollout.program / "activity" / f"ds={rollout.days[0]}"
    assert [path.name for path in gone.iterdir()] == ["_EXPIRED"]
    assert page(before) == page(clean)


def page(home: Path) -> str:
    """Of the last night of the rollout, whichever MLflow run it was."""
    night = shipped_rollout.DECLARED.night(home).of_issue("all")
    return night.warehouse.report(night.name, night.ds).read_text("utf-8").replace(night.run().id, "")


def kill(
    python: Prepared, step: str, moment: tuple[str, str, int], program: str, ds: date, home: Path
) -> None:
    place, method, call = moment
    strike = ("SIGKILL", str(call), step, "before", place, method)
    died = python.start(
        *strike, "step", step, "--program", program, "--ds", str(ds), NIGHTSLATE_HOME=str(home)
    )
    assert died.wait(300) == -signal.SIGKILL, step
