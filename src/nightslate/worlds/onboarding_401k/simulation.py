"""The simulation of the homepage: its pages by the newest slates, and beside them those by full knowledge."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from nightslate.pipeline.arms import arm_ids, offered_arms
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.matured_logs import matured_logs
from nightslate.pipeline.night import IssueNight
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE
from nightslate.worlds.night_results import fitted_models, mean_over_cohorts
from nightslate.worlds.onboarding_401k.daily_records import DailyRecords
from nightslate.worlds.onboarding_401k.landing import Landing
from nightslate.worlds.onboarding_401k.page import page
from nightslate.worlds.onboarding_401k.policy_values import (
    units,
    values_logged,
    values_shown,
    values_tomorrow,
)
from nightslate.worlds.onboarding_401k.rec_engine import FullKnowledge, PublishedSlates, RecEngine
from nightslate.worlds.onboarding_401k.responses import responses
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import World
from nightslate.worlds.protocol import Report, Setup
from nightslate.worlds.results_page import headline


class HomepageSimulation:
    """A homepage with so many participants on board, whose messages the program chooses."""

    label = "homepage"

    def __init__(self, setup: Setup) -> None:
        setup.require_no_costs()
        setup.require_slates()
        program, first = setup.program, setup.program.start_date
        self._setup, self._values = setup, program.only_issue.rewards.values
        self._world = world = World(setup.users, setup.seed)
        self._landing = Landing(setup.landing, first, program.logs.propensity)
        slates = PublishedSlates(world, first, setup.slates, setup.pseudonymise)
        self._engine = RecEngine(world, first, slates)
        self._best = RecEngine(world, first, FullKnowledge(world, self._values))
        self._records = DailyRecords(program, world)
        self._logged = list[Truth]()
        self._values_shown = dict[date, dict[str, float]]()
        self._units_shown = dict[date, float]()
        self._pages = self._engine.show(0)

    def run_day(self, day: int) -> None:
        """The pages of a day, what comes of them, and what they could have been."""
        world, pages = self._world, self._pages
        done = responses(world, pages)
        self._landing.land(world.participants(day), pages, done)
        self._logged.append(Truth.of(world, pages, self._values))
        self._records.add_day(self._logged[-1], Truth.of(world, self._best.show(day), self._values), done)

    def record_night(self, night: IssueNight) -> None:
        """The night's policies, and those of the nights before it, on the pages that its estimates are about;
        and the night's on those of the day after."""
        self._pages = self._engine.show(self._pages.day + 1)
        tomorrow, models = Truth.of(self._world, self._pages, self._values), fitted_models(night)
        in_window = self._logged[-night.issue.evaluation.window_days :]
        self._records.add_night(
            night,
            tomorrow,
            {
                PROGRESSIVE: mean_over_cohorts(night, self._values_shown, self._units_shown),
                CROSS_FITTED: values_logged(night, models, in_window, self._counts_until(night)),
            },
            values_tomorrow(night, models, self._world, tomorrow),
        )
        self._values_shown[night.slate_date] = values_shown(night, models, tomorrow)
        self._units_shown[night.slate_date] = float(units(night, tomorrow).sum())

    def report(self, seconds: dict[str, float]) -> Report:
        """All that was recorded."""
        results = self._records.results(self._setup.seed, seconds)
        return Report(results, page(results), headline(results))

    def _counts_until(self, night: IssueNight) -> float:
        """Up to when impressions count tonight, in days since the first."""
        offered, window = (
            arm_ids(offered_arms(night, night.table("arms"))),
            night.issue.evaluation.window_days,
        )
        until = matured_logs(night, LogTables.of(night), offered, window).matured.counts_until
        first = datetime.combine(night.program.start_date, datetime.min.time(), UTC)
        days: float = (until - first) / timedelta(days=1)
        return days
