"""Every step is killed (SIGKILL) at its worst moment, then run again: the night equals a clean one."""

import shutil
import signal
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from nightslate import programs
from nightslate.pipeline.plan import plan
from tests.integration.nights import PAGES, run_night
from tests.prepared import Prepared

from . import letters, world
from .conftest import relocate

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
READ_OUT = """
experiment:
  control: randomised
  metrics: {replies: {source: outcomes, where: {kind: reply}}}
"""


def test_every_step_has_a_worst_moment() -> None:
    assert list(WORST_MOMENT) == [task.name for task in plan(programs.find(world.PROGRAM))]


@pytest.mark.timeout(900)
def test_a_night_killed_in_every_step_and_rerun_equals_a_clean_one(three_nights: Path, landed: Path) -> None:
    with prepared(WORST_MOMENT) as python:
        for step, moment in WORST_MOMENT.items():
            kill(python, step, moment, world.PROGRAM, DAY, landed)
            world.run_night(landed, DAY, (step,))

    assert world.rows_of_night(landed, DAY) == world.rows_of_night(three_nights, DAY)


@pytest.mark.timeout(900)
def test_what_comes_after_a_night_killed_and_rerun_equals_a_clean_one(tmp_path: Path, program: None) -> None:
    letters.DECLARED.write(letters.SPEC.replace(", epsilon: auto", "") + READ_OUT)
    before, clean = tmp_path / "before", tmp_path / "clean"
    for number in range(2):
        letters.land(before, number)
        run_night(letters.night(before, number), but=(*PAGES, *(OF_LETTERS if number else ())))
    shutil.copytree(before, clean)
    relocate(clean, before)
    run_night(letters.night(clean, 1), *OF_LETTERS)
    with prepared(OF_LETTERS) as python:
        for step, moment in OF_LETTERS.items():
            kill(python, step, moment, letters.PROGRAM, letters.DAYS[1], before)
            run_night(letters.night(before, 1), step)
    for table in ("sends", "readouts", "sample_ratios", "readout_decisions"):
        left, wanted = (letters.rows(home, table).sort(pl.all()) for home in (before, clean))
        assert left.equals(wanted)
        assert len(left) > 0


def prepared(steps: Iterable[str]) -> Prepared:
    return Prepared(
        "tests.integration.pipeline.struck", *(f"nightslate.pipeline.steps.{step}" for step in steps)
    )


def kill(
    python: Prepared, step: str, moment: tuple[str, str, int], program: str, ds: date, home: Path
) -> None:
    place, method, call = moment
    strike = ("SIGKILL", str(call), step, "before", place, method)
    died = python.start(
        *strike, "step", step, "--program", program, "--ds", str(ds), NIGHTSLATE_HOME=str(home)
    )
    assert died.wait(300) == -signal.SIGKILL, step
