"""A world and the nights of its program, in turn."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from nightslate.errors import SpecError
from nightslate.loop.next_best_action.campaigns import Campaigns
from nightslate.loop.onboarding.homepage import Homepage
from nightslate.loop.story import Setting, Story, Told
from nightslate.programs import Program
from nightslate.steps.night import Night, run_step
from nightslate.tables import Warehouse

STORIES: dict[str, Callable[[Setting], Story]] = {
    "onboarding_401k": Homepage,
    "next_best_action": Campaigns,
}
"""By the name of the program that is played."""

Say = Callable[[int, str], None]
"""Told the day, counted from 0, and what is being done."""


@dataclass
class Play:
    """A world with so many users, for whom a program chooses."""

    program: Program
    home: Path
    users: int
    seed: int
    _seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    def run(self, days: int, say: Say) -> Told:
        """Play so many days and their nights. Raises SpecError where there are logs of the program already:
        a simulation starts from nothing."""
        first = self.program.start_date
        story = STORIES[self.program.program](self._setting())
        say(0, story.place)
        for day in range(days):
            story.live(day)
            night = Night(self.program, first + timedelta(days=day), self.home)
            self._run(night, day, say)
            say(day + 1, story.place)
            story.look_back(night)
        return story.told(dict(self._seconds))

    def _setting(self) -> Setting:
        first = self.program.start_date
        landing = Warehouse(self.home).landing(self.program.program, "impressions", first).parents[1]
        if landing.exists():
            raise SpecError(f"{landing} is there already: a simulation starts from nothing, in a new home")
        slates = Night(self.program, first, self.home).table("slates").path
        return Setting(self.program, self.users, self.seed, landing, slates)

    def _run(self, night: Night, day: int, say: Say) -> None:
        for step in self.program.plan:
            say(day, step.name)
            begun = time.monotonic()
            run_step(step.name, night)
            self._seconds[step.name] += time.monotonic() - begun


def write(told: Told, folder: Path) -> Path:
    """The page, and the JSON of its figures beside it; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "simulation.html"
    file.write_text(told.page, "utf-8")
    file.with_suffix(".json").write_text(json.dumps(told.simulation.figures(), indent=1), "utf-8")
    return file
