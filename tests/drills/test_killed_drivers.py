"""The driver is killed (SIGKILL) between any two steps, and at the worst moments of a publish."""

import signal
from pathlib import Path

import pytest

from nightslate import programs
from nightslate.pipeline.plan import plan
from tests.integration.pipeline import world

from . import days, processes
from .conftest import Tell

pytestmark = pytest.mark.timeout(3600)

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
    boundaries = between_steps()
    for moment in (*boundaries, *IN_PUBLISH):
        with processes.struck(home, signal.SIGKILL, moment, *processes.night(days.LAST)) as process:
            assert process.wait() == -signal.SIGKILL, (moment, process.said[-3000:])
        assert days.mixed(home, clean, other) == [], moment

    processes.run(home, *processes.night(days.LAST))

    assert days.mixed(home, clean) == []
    kills = len(boundaries) + len(IN_PUBLISH)
    tell(
        f"killed {kills} times, rerun after each: every table whole all the time, in the end a clean night's"
    )


def between_steps() -> list[tuple[str, str, str, str]]:
    """The moments before each step of the program's nights, and after the last."""
    names = [task.step.name for task in plan(programs.find(world.PROGRAM))]
    runs = [(name, f"nightslate.pipeline.steps.{name}", "run") for name in names]
    last, *where = runs[-1]
    return [*((name, "before", *at) for name, *at in runs), (last, "after", *where)]
