"""Every step is killed (SIGKILL) at its worst moment, then run again: the night equals a clean one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nightslate import programs
from nightslate.pipeline.plan import plan

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
    "data_docs": ("great_expectations.data_context.EphemeralDataContext", "build_data_docs", 1),
}


def test_every_step_has_a_worst_moment() -> None:
    assert list(WORST_MOMENT) == [task.name for task in plan(programs.find(world.PROGRAM))]


@pytest.mark.timeout(900)
def test_a_night_killed_in_every_step_and_rerun_equals_a_clean_one(three_nights: Path, landed: Path) -> None:
    for step, (place, method, call) in WORST_MOMENT.items():
        moment = ("SIGKILL", str(call), step, "before", place, method)
        command = ("step", step, "--program", world.PROGRAM, "--ds", str(DAY))
        died = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("struck.py")), *moment, *command],
            env={**os.environ, "NIGHTSLATE_HOME": str(landed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, f"{step}: {died.stderr[-2000:]}"
        world.run_night(landed, DAY, (step,))

    assert world.rows_of_night(landed, DAY) == world.rows_of_night(three_nights, DAY)
