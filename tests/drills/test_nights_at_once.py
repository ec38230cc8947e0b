"""Nights that nobody keeps from running at the same time."""

from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from nightslate.errors import CommitConflictError, SupersededError
from tests.integration.pipeline import world

from . import days, processes
from .conftest import Tell

pytestmark = pytest.mark.timeout(3600)

LOST_A_RACE = (SupersededError.exit_code, CommitConflictError.exit_code)


def test_two_nights_of_one_date_at_once(home: Path, clean: Path, other: Path, tell: Tell) -> None:
    lost = _at_once(home, days.LAST, days.LAST)

    assert len(lost) < 2, "one of the two must win"
    assert days.mixed(home, clean) == []
    tell(f"{2 - len(lost)} ended well, {len(lost)} was superseded; one whole result, a clean night's")


def test_four_dates_at_once(tmp_path: Path, clean: Path, tell: Tell) -> None:
    """In an empty warehouse: whichever comes first makes the tables, and each also takes in the days before
    its own that nobody has."""
    days.land_all(tmp_path)

    lost = _at_once(tmp_path, *days.DAYS)
    for day in lost:
        processes.run(tmp_path, *processes.night(day))

    tables = (*world.PURE_TABLES, "slates")
    assert world.rows(tmp_path, *tables) == {name: days.rows(clean)[name] for name in tables}
    tell(f"{len(lost)} of 4 lost a race and were run again; four whole results, those of nights in order")


def _at_once(home: Path, *nights: date) -> list[date]:
    """Runs them side by side; returns those that another attempt has overtaken."""
    with ExitStack() as stack:
        running = [stack.enter_context(processes.start(home, *processes.night(day))) for day in nights]
        codes = [process.wait() for process in running]
        for day, code, process in zip(nights, codes, running, strict=True):
            assert code in (0, *LOST_A_RACE), (str(day), code, process.said[-3000:])
    return [day for day, code in zip(nights, codes, strict=True) if code]
