"""The homepage and the nights, in turn."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nightslate.errors import SpecError
from nightslate.frames.pseudonyms import Pseudonymiser
from nightslate.loop.diary import Diary
from nightslate.loop.truth import values_logged, values_tomorrow
from nightslate.programs import PLAN, Program
from nightslate.reports.simulation import Simulation, page
from nightslate.simulation.onboarding.engine import Engine, FullKnowledge, PublishedSlates
from nightslate.simulation.onboarding.landing import Landing
from nightslate.simulation.onboarding.responses import Truth, responses
from nightslate.simulation.onboarding.world import World
from nightslate.steps.inputs import matured_sample
from nightslate.steps.night import Night, run_step
from nightslate.tables import Warehouse

Say = Callable[[int, str], None]
"""Told the day, counted from 0, and what is being done."""


@dataclass
class Play:
    """A homepage with so many participants on board, whose messages a program chooses."""

    program: Program
    home: Path
    users: int
    seed: int
    _seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    def run(self, days: int, say: Say) -> Simulation:
        """Play so many days and their nights. Raises SpecError where there are logs of the program already:
        a simulation starts from nothing."""
        first, values = self.program.start_date, self.program.rewards.values
        world, landing = World(self.users, self.seed), self._landing()
        engine, best = self._engine(world), Engine(world, first, FullKnowledge(world, values))
        diary, logged = Diary(self.program, world), list[Truth]()
        say(0, "homepage")
        pages = engine.show(0)
        for day in range(days):
            done = responses(world, pages)
            landing.land(world.participants(day), pages, done)
            logged.append(Truth.of(world, pages, values))
            diary.write_day(logged[-1], Truth.of(world, best.show(day), values), done)
            night = Night(self.program, first + timedelta(days=day), self.home)
            self._run(night, day, say)
            say(day + 1, "homepage")
            pages = engine.show(day + 1)
            tomorrow = Truth.of(world, pages, values)
            diary.write_night(
                night,
                tomorrow,
                values_logged(night, self._in_window(night, logged), self._counts_until(night)),
                values_tomorrow(night, world, tomorrow),
            )
        return diary.simulation(self.seed, dict(self._seconds))

    def _in_window(self, night: Night, logged: list[Truth]) -> list[Truth]:
        """The days that the night's evaluation reads."""
        return logged[-night.program.evaluation.window_days :]

    def _counts_until(self, night: Night) -> float:
        """Up to when impressions count tonight, in days since the first."""
        until = matured_sample(night, night.program.evaluation.window_days).counts_until
        return (until - datetime.combine(self.program.start_date, datetime.min.time(), UTC)) / timedelta(
            days=1
        )

    def _landing(self) -> Landing:
        first = self.program.start_date
        folder = Warehouse(self.home).landing(self.program.program, "impressions", first).parents[1]
        if folder.exists():
            raise SpecError(f"{folder} is there already: a simulation starts from nothing, in a new home")
        return Landing(folder, first, self.program.logs.propensity)

    def _engine(self, world: World) -> Engine:
        first = self.program.start_date
        slates = Night(self.program, first, self.home).table("slates").path
        return Engine(world, first, PublishedSlates(world, first, slates, Pseudonymiser.from_environment()))

    def _run(self, night: Night, day: int, say: Say) -> None:
        for step in PLAN:
            say(day, step.name)
            begun = time.monotonic()
            run_step(step.name, night)
            self._seconds[step.name] += time.monotonic() - begun


def write(simulation: Simulation, folder: Path) -> Path:
    """The page, and the JSON of its figures beside it; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "simulation.html"
    file.write_text(page(simulation), "utf-8")
    file.with_suffix(".json").write_text(json.dumps(simulation.figures(), indent=1), "utf-8")
    return file
