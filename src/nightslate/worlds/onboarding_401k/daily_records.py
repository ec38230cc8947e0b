"""What a simulation records of its days and nights, and how it becomes figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.pipeline.night import IssueNight
from nightslate.programs import Program
from nightslate.worlds.lift import lift
from nightslate.worlds.night_results import estimates_beside_truth, gate_looks
from nightslate.worlds.onboarding_401k.messages import BEYOND_401K, TOPIC_OF, TOPICS
from nightslate.worlds.onboarding_401k.page import HomepageResults
from nightslate.worlds.onboarding_401k.policy_values import mean_reward
from nightslate.worlds.onboarding_401k.rec_engine import NO_TILE
from nightslate.worlds.onboarding_401k.responses import Responses
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import World
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row


@dataclass(frozen=True, eq=False)
class _DailyRecord:
    """The pages of a day; all (n,) but topics (of each kind of page: tiles by topic). `variant`: 1 where
    personalised, 0 where randomised, else -1. `who`: the participants' numbers."""

    variant: Ints
    who: Ints
    expected: Floats
    best: Floats
    drawn: Floats
    topics: dict[str, Ints]


@dataclass
class DailyRecords:
    """Of a simulation from its first day on: days and nights are added in order."""

    program: Program
    world: World
    _days: list[_DailyRecord] = field(default_factory=list, init=False)
    _looks: list[Row] = field(default_factory=list, init=False)
    _estimates: list[Row] = field(default_factory=list, init=False)

    def add_day(self, truth: Truth, best: Truth, done: Responses) -> None:
        """What was shown, what the same visitors would have been shown with full knowledge from the first day
        on, and what came of it."""
        pages = truth.pages
        personalised, randomised = pages.of_variant(PERSONALISED), pages.of_variant(RANDOMISED)
        self._days.append(
            _DailyRecord(
                variant=np.where(personalised, 1, np.where(randomised, 0, -1)),
                who=pages.people.number,
                expected=truth.of_shown(),
                best=best.of_shown(),
                drawn=done.earned(self.program.only_issue.rewards.values),
                topics={
                    PERSONALISED: _by_topic(pages.tiles[personalised]),
                    RANDOMISED: _by_topic(pages.tiles[randomised]),
                    "best": _by_topic(best.pages.tiles[personalised]),
                    "all": _by_topic(pages.tiles),
                },
            )
        )

    def add_night(
        self,
        night: IssueNight,
        shown_next: Truth,
        true_values: dict[str, dict[str, float]],
        values_tomorrow: dict[str, float],
    ) -> None:
        """What the night estimated, beside the `true_values` by estimand and learner; what it decided, beside
        the true values of its policies for the day after; and what was then shown."""
        personalised = shown_next.pages.of_variant(PERSONALISED)
        realised = mean_reward(night, [shown_next], [shown_next.of_shown()], [personalised])
        self._estimates += estimates_beside_truth(night, true_values, realised)
        self._looks += gate_looks(night, values_tomorrow)

    def results(self, seed: int, seconds: dict[str, float]) -> HomepageResults:
        """All that was recorded, as figures."""
        program, last = self.program, self._days[-HEADLINE_DAYS:]
        start, goal = (
            program.start_date,
            next((g for g in program.only_issue.exposure if g.name == "beyond_401k"), None),
        )
        means = [_means(day) for day in self._days]
        variant, earned, who = (
            np.concatenate([getattr(day, name) for day in last]) for name in ("variant", "drawn", "who")
        )
        found = lift(earned, who, variant == 1, variant == 0, program.only_issue.evaluation.confidence)
        return HomepageResults(
            program=program.program,
            description=program.description,
            reward=program.only_issue.rewards.name,
            seed=seed,
            users=self.world.users,
            first_day=start,
            nights=len(self._days),
            estimator=program.only_issue.judged_by,
            confidence=program.only_issue.evaluation.confidence,
            read_over=len(last),
            lift=None if found is None else asdict(found),
            reached=_reached(last),
            days=[
                {"day": (start + timedelta(days=number)).isoformat(), **of_day}
                for number, of_day in enumerate(means)
            ],
            topics=_topics(last),
            beyond=[
                {"day": (start + timedelta(days=number)).isoformat(), "share": _beyond(day.topics["all"])}
                for number, day in enumerate(self._days)
            ],
            goal=None if goal is None else goal.share,
            looks=self._looks,
            estimates=self._estimates,
            seconds=seconds,
        )


def _means(day: _DailyRecord) -> dict[str, float | None]:
    treated, control = day.variant == 1, day.variant == 0
    return {
        PERSONALISED: _mean(day.expected[treated]),
        RANDOMISED: _mean(day.expected[control]),
        "best": _mean(day.best[treated]),
    }


def _reached(days: list[_DailyRecord]) -> float | None:
    """Of the way from what randomised pages are worth to the best, how far personalised ones are."""
    treated = np.concatenate([day.variant for day in days]) == 1
    control = np.concatenate([day.variant for day in days]) == 0
    expected, best = (np.concatenate([getattr(d, name) for d in days]) for name in ("expected", "best"))
    if not treated.any() or not control.any():
        return None
    base = expected[control].mean()
    return float((expected[treated].mean() - base) / (best[treated].mean() - base))


def _topics(days: list[_DailyRecord]) -> list[Row]:
    shares = {}
    for kind in (PERSONALISED, RANDOMISED, "best"):
        tiles = np.sum([day.topics[kind] for day in days], axis=0)
        shares[kind] = tiles / max(1, tiles.sum())
    return [
        {
            "topic": topic,
            "beyond": topic in BEYOND_401K,
            **{kind: float(share[place]) for kind, share in shares.items()},
        }
        for place, topic in enumerate(TOPICS)
    ]


def _by_topic(tiles: Ints) -> Ints:
    return np.bincount(TOPIC_OF[tiles[tiles != NO_TILE]], minlength=len(TOPICS))


def _beyond(tiles: Ints) -> float | None:
    beyond = [place for place, topic in enumerate(TOPICS) if topic in BEYOND_401K]
    return float(tiles[beyond].sum() / tiles.sum()) if tiles.sum() else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
