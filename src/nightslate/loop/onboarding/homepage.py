"""The homepage as the loop plays it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.loop.notes import over_cohorts
from nightslate.loop.onboarding.diary import Diary
from nightslate.loop.onboarding.truth import units, values_logged, values_shown, values_tomorrow
from nightslate.loop.story import Setting, Told
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.reports.simulation import page
from nightslate.simulation.onboarding.engine import Engine, FullKnowledge, PublishedSlates
from nightslate.simulation.onboarding.landing import Landing
from nightslate.simulation.onboarding.responses import Truth, responses
from nightslate.simulation.onboarding.world import World
from nightslate.steps.inputs import matured_logs
from nightslate.steps.night import Night


class Homepage:
    """A homepage with so many participants on board, whose messages the program chooses."""

    place = "homepage"

    def __init__(self, setting: Setting) -> None:
        program, first = setting.program, setting.program.start_date
        self._setting, self._values = setting, program.rewards.values
        self._world = world = World(setting.users, setting.seed)
        self._landing = Landing(setting.landing, first, program.logs.propensity)
        slates = PublishedSlates(world, first, setting.slates, Pseudonymiser.from_environment())
        self._engine = Engine(world, first, slates)
        self._best = Engine(world, first, FullKnowledge(world, self._values))
        self._diary = Diary(program, world)
        self._logged = list[Truth]()
        self._values_shown = dict[date, dict[str, float]]()
        self._units_shown = dict[date, float]()
        self._pages = self._engine.show(0)

    def live(self, day: int) -> None:
        """The pages of a day, what comes of them, and what they could have been."""
        world, pages = self._world, self._pages
        done = responses(world, pages)
        self._landing.land(world.participants(day), pages, done)
        self._logged.append(Truth.of(world, pages, self._values))
        self._diary.write_day(self._logged[-1], Truth.of(world, self._best.show(day), self._values), done)

    def look_back(self, night: Night) -> None:
        """The night's policies, and those of the nights before it, on the pages that its estimates are about;
        and the night's on those of the day after."""
        self._pages = self._engine.show(self._pages.day + 1)
        tomorrow = Truth.of(self._world, self._pages, self._values)
        in_window = self._logged[-night.program.evaluation.window_days :]
        self._diary.write_night(
            night,
            tomorrow,
            {
                PROGRESSIVE: over_cohorts(night, self._values_shown, self._units_shown),
                CROSS_FITTED: values_logged(night, in_window, self._counts_until(night)),
            },
            values_tomorrow(night, self._world, tomorrow),
        )
        self._values_shown[night.slate_date] = values_shown(night, tomorrow)
        self._units_shown[night.slate_date] = float(units(night, tomorrow).sum())

    def told(self, seconds: dict[str, float]) -> Told:
        """What the diary has."""
        simulation = self._diary.simulation(self._setting.seed, seconds)
        return Told(simulation, page(simulation))

    def _counts_until(self, night: Night) -> float:
        """Up to when impressions count tonight, in days since the first."""
        until = matured_logs(night, night.program.evaluation.window_days).matured.counts_until
        first = datetime.combine(night.program.start_date, datetime.min.time(), UTC)
        days: float = (until - first) / timedelta(days=1)
        return days
