"""What a simulation remembers of its days and nights, and how it becomes figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.loop.notes import PERSONALISED, RANDOMISED, READ_OVER, Row, estimates, looks
from nightslate.loop.onboarding.truth import mean_of
from nightslate.loop.readout import lift
from nightslate.programs import Program
from nightslate.reports.simulation import Simulation
from nightslate.simulation.onboarding.engine import NO_TILE
from nightslate.simulation.onboarding.messages import BEYOND_401K, TOPIC_OF, TOPICS
from nightslate.simulation.onboarding.responses import Responses, Truth
from nightslate.simulation.onboarding.world import World
from nightslate.steps.night import Night


@dataclass(frozen=True, eq=False)
class _Day:
    """The pages of a day; all (n,) but topics (of each kind of page: tiles by topic)."""

    variant: Ints
    who: Ints
    expected: Floats
    best: Floats
    drawn: Floats
    topics: dict[str, Ints]


@dataclass
class Diary:
    """Days and nights are written in order."""

    program: Program
    world: World
    _days: list[_Day] = field(default_factory=list, init=False)
    _looks: list[Row] = field(default_factory=list, init=False)
    _estimates: list[Row] = field(default_factory=list, init=False)

    def write_day(self, truth: Truth, best: Truth, done: Responses) -> None:
        """What was shown, what the same visitors would have been shown with full knowledge from the first day
        on, and what came of it."""
        pages = truth.pages
        personalised, randomised = pages.of_variant(PERSONALISED), pages.of_variant(RANDOMISED)
        self._days.append(
            _Day(
                variant=np.where(personalised, 1, np.where(randomised, 0, -1)),
                who=pages.people.number,
                expected=truth.of_shown(),
                best=best.of_shown(),
                drawn=done.earned(self.program.rewards.values),
                topics={
                    PERSONALISED: _by_topic(pages.tiles[personalised]),
                    RANDOMISED: _by_topic(pages.tiles[randomised]),
                    "best": _by_topic(best.pages.tiles[personalised]),
                    "all": _by_topic(pages.tiles),
                },
            )
        )

    def write_night(
        self, night: Night, truth: Truth, truths: dict[str, dict[str, float]], tomorrow: dict[str, float]
    ) -> None:
        """What the night estimated, beside the `truths` by estimand and learner; what it decided, beside the
        true values of its policies for the day after; and what was then shown."""
        realised = mean_of(night, [truth], [truth.of_shown()], [truth.pages.of_variant(PERSONALISED)])
        self._estimates += estimates(night, truths, realised)
        self._looks += looks(night, tomorrow)

    def simulation(self, seed: int, seconds: dict[str, float]) -> Simulation:
        """All that was written, as figures."""
        program, last = self.program, self._days[-READ_OVER:]
        start, goal = program.start_date, next((g for g in program.exposure if g.name == "beyond_401k"), None)
        means = [_means(day) for day in self._days]
        variant, earned, who = (
            np.concatenate([getattr(day, name) for day in last]) for name in ("variant", "drawn", "who")
        )
        found = lift(earned, who, variant == 1, variant == 0, program.evaluation.confidence)
        return Simulation(
            program=program.program,
            description=program.description,
            reward=program.rewards.name,
            seed=seed,
            users=self.world.users,
            first_day=start,
            nights=len(self._days),
            estimator=program.judged_by,
            confidence=program.evaluation.confidence,
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


def _means(day: _Day) -> dict[str, float | None]:
    treated, control = day.variant == 1, day.variant == 0
    return {
        PERSONALISED: _mean(day.expected[treated]),
        RANDOMISED: _mean(day.expected[control]),
        "best": _mean(day.best[treated]),
    }


def _reached(days: list[_Day]) -> float | None:
    """Of the way from what randomised pages are worth to the best, how far personalised ones are."""
    treated = np.concatenate([day.variant for day in days]) == 1
    control = np.concatenate([day.variant for day in days]) == 0
    expected, best = (np.concatenate([getattr(d, name) for d in days]) for name in ("expected", "best"))
    if not treated.any() or not control.any():
        return None
    base = expected[control].mean()
    return float((expected[treated].mean() - base) / (best[treated].mean() - base))


def _topics(days: list[_Day]) -> list[Row]:
    shares = {}
    for kind in (PERSONALISED, RANDOMISED, "best"):
        tiles = np.sum([day.topics[kind] for day in days], axis=0)
        shares[kind] = tiles / max(1, tiles.sum())
    return [
        {
            "topic": topic,
            "beyond": topic in BEYOND_401K,
            **{kind: float(of[place]) for kind, of in shares.items()},
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
