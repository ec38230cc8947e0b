"""The driver is killed (SIGKILL) between any two steps, and at the worst moments of a publish."""

import signal
from pathlib import Path

import pytest

from nightslate.pipeline.plan import STEPS as DECLARED

from . import days, processes
from .conftest import Tell

STEPS = tuple(step.name for step in DECLARED if step.name != "transitions")

pytestmark = pytest.mark.timeout(3600)

BOUNDARIES = [
    *((step, "before", f"nightslate.pipeline.steps.{step}", "run") for step in STEPS),
    (STEPS[-1], "after", f"nightslate.pipeline.steps.{STEPS[-1]}", "run"),
]
IN_PUBLISH = [
    ("publish", "before", "nightslate.tables.table", "placed"),
    ("publish", "before", "nightslate.tables.commits.DayLog", "commit"),
    ("publish", "before", "nightslate.tables.table", "discard_up_to"),
]


def test_the_driver_is_killed_at_every_boundary_and_in_the_publish(
    home: Path, clean: Path, other: Path, tell: Tell
) -> None:
    """Each rerun of the night gets a little further. What can be read meanwhile is one edition of each table
    or the other."""
    for moment in (*BOUNDARIES, *IN_PUBLISH):
        with processes.struck(home, signal.SIGKILL, moment, *processes.night(days.LAST)) as process:
            assert process.wait() == -signal.SIGKILL, (moment, process.said[-3000:])
        assert days.mixed(home, clean, other) == [], moment

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    kills = len(BOUNDARIES) + len(IN_PUBLISH)
    tell(
        f"killed {kills} times, rerun after each: every table whole all the time, in the end a clean night's"
    )
