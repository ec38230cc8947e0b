"""The days that the drills are about: four of the small program, the last of which comes in two editions."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from functools import cache
from pathlib import Path

from tests.integration.pipeline import world
from tests.integration.pipeline.conftest import relocate

DAYS = (*world.DAYS, world.DAYS[-1] + timedelta(days=1))
LAST = DAYS[-1]


def write_program(folder: Path) -> None:
    """The program with a champion that learns, so that other outcomes make other slates, and with a gate that
    is never passed, so that slates don't depend on which of several nights at once looks first."""
    world.write_program(folder)
    spec = folder / f"{world.PROGRAM}.yaml"
    gate = "gate: {first_champion: linear_thompson, min_users: 1000}"
    spec.write_text(re.sub(r"^gate: .*$", gate, spec.read_text(), flags=re.MULTILINE))


def land_all(home: Path) -> None:
    """All four days."""
    for number in range(len(DAYS)):
        land_day(home, number)


def land_day(home: Path, number: int) -> None:
    world.land(
        home, DAYS[number], world.impressions(number, DAYS[number]), world.outcomes(number, DAYS[number])
    )


def land_outcomes(home: Path) -> None:
    """The last day as `land_all` has it."""
    land_day(home, len(DAYS) - 1)


def land_other_outcomes(home: Path) -> None:
    """The last day, its outcomes worth other values."""
    done = [{**row, "value": 1.0 + number % 3} for number, row in enumerate(world.outcomes(3, LAST))]
    world.land(home, LAST, world.impressions(3, LAST), done)


def copied(home: Path, to: Path) -> Path:
    """A copy of a warehouse, with its MLflow."""
    shutil.copytree(home, to)
    relocate(to, home)
    return to


@cache
def rows(home: Path) -> dict[str, list[str]]:
    """Every row of a warehouse that does not change any more, by table."""
    return world.rows(home)


def mixed(home: Path, *editions: Path) -> list[str]:
    """The tables that equal those of none of the editions."""
    held = world.rows(home)
    return [name for name, found in held.items() if all(found != rows(one)[name] for one in editions)]
