"""Every step is killed (SIGKILL) at its worst moment, then run again: the night equals a clean one."""

import signal
from pathlib import Path

import pytest

from nightslate import programs
from nightslate.pipeline.plan import plan
from tests.prepared import Prepared

from . import world

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


def test_every_step_has_a_worst_moment() -> None:
    assert list(WORST_MOMENT) == [task.name for task in plan(programs.find(world.PROGRAM))]


@pytest.mark.timeout(900)
def test_a_night_killed_in_every_step_and_rerun_equals_a_clean_one(three_nights: Path, landed: Path) -> None:
    steps = (f"nightslate.pipeline.steps.{step}" for step in WORST_MOMENT)
    with Prepared("tests.integration.pipeline.struck", *steps) as prepared:
        for step, (place, method, call) in WORST_MOMENT.items():
            moment = ("SIGKILL", str(call), step, "before", place, method)
            command = ("step", step, "--program", world.PROGRAM, "--ds", str(DAY))
            died = prepared.start(*moment, *command, NIGHTSLATE_HOME=str(landed))
            assert died.wait(300) == -signal.SIGKILL, step
            world.run_night(landed, DAY, (step,))

    assert world.rows_of_night(landed, DAY) == world.rows_of_night(three_nights, DAY)
