"""A world and the nights of its program, in turn."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from nightslate.engines import Engine, LocalEngine
from nightslate.errors import SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import OF_ALL_NIGHTS, plan
from nightslate.pipeline.running import run_task
from nightslate.programs import Program
from nightslate.tables import Warehouse
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.registry import WORLDS

PSEUDONYMISE = Pseudonymiser(b"participants that nobody has ever met", "1")
"""The people are invented. With a key of their own, a seed is a world on every machine."""

Progress = Callable[[int, str], None]
"""Called with the day, counted from 0, and with what is being done."""


@dataclass
class Play:
    """A world with so many users, for whom a program chooses. served: by its app, as they act; else by the
    slates of its nights."""

    program: Program
    home: Path
    users: int
    seed: int
    engine: Engine = field(default_factory=LocalEngine)
    served: bool = False
    _seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    def run(self, days: int, progress: Progress) -> Report:
        """Play so many days and their nights. Raises SpecError where there are logs of the program already,
        for a simulation starts from nothing, and from worlds that can't play the program."""
        first = self.program.start_date
        simulation = WORLDS[self.program.program](self._setup())
        progress(0, simulation.label)
        for day in range(days):
            simulation.run_day(day)
            night = self._night(first + timedelta(days=day))
            self._run(night, day, day == days - 1, progress)
            progress(day + 1, simulation.label)
            for issue_night in night.issues:
                simulation.record_night(issue_night)
        return simulation.report(dict(self._seconds))

    def _night(self, ds: date) -> Night:
        return Night(self.program, ds, self.home, self.engine, PSEUDONYMISE)

    def _setup(self) -> Setup:
        first = self.program.start_date
        landing = Warehouse(self.home).landing(self.program.program, "impressions", first).parents[1]
        if landing.exists():
            raise SpecError(f"{landing} is there already: a simulation starts from nothing, in a new home")
        night = self._night(first)
        served = night if self.served else None
        slates = night.table("slates").path
        return Setup(self.program, self.users, self.seed, landing, slates, PSEUDONYMISE, served)

    def _run(self, night: Night, day: int, last: bool, progress: Progress) -> None:
        """Pages of all nights are written on the last one alone: Data Docs take longer than learning does."""
        for task in plan(self.program):
            if task.step.name in OF_ALL_NIGHTS and not last:
                continue
            progress(day, task.name)
            begun = time.monotonic()
            run_task(task, night)
            self._seconds[task.name] += time.monotonic() - begun


def write(report: Report, folder: Path) -> Path:
    """The page, and the JSON of its figures beside it; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "simulation.html"
    file.write_text(report.page, "utf-8")
    file.with_suffix(".json").write_text(json.dumps(report.results.as_json(), indent=1), "utf-8")
    return file
