"""What a simulation records becomes figures that follow from what was shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nightslate import programs
from nightslate.core.arrays import Ints
from nightslate.worlds.onboarding_401k.daily_records import DailyRecords
from nightslate.worlds.onboarding_401k.page import HomepageResults
from nightslate.worlds.onboarding_401k.rec_engine import FullKnowledge, Ranked, RecEngine
from nightslate.worlds.onboarding_401k.responses import responses
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import Participants, World

PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "onboarding_401k.yaml")
VALUES, FIRST = PROGRAM.only_issue.rewards.values, PROGRAM.start_date
DAYS = 9
Rank = Callable[[Participants, Ints, int], Ints]


def played(personalised: Rank, users: int = 600) -> HomepageResults:
    """Days without nights. Half of the participants are personalised; the others see messages by chance."""
    world = World(users, seed=2)

    def rank(people: Participants, seen: Ints, day: int) -> Ranked:
        treated = people.number % 2 == 0
        ranking = np.where(treated[:, None], personalised(people, seen, day), by_chance(people, seen, day))
        variant = np.where(treated, "personalised", "randomised")
        return Ranked(ranking, pa.array(["slate"] * len(people)), pa.array(variant))

    engine, best = RecEngine(world, FIRST, rank), RecEngine(world, FIRST, FullKnowledge(world, VALUES))
    records = DailyRecords(PROGRAM, world)
    for day in range(DAYS):
        pages = engine.show(day)
        truths = (Truth.of(world, shown, VALUES) for shown in (pages, best.show(day)))
        records.add_day(*truths, responses(world, pages))
    return records.results(seed=2, seconds={})


def by_chance(people: Participants, seen: Ints, day: int) -> Ints:
    return np.argsort(np.random.default_rng(day).random(seen.shape), axis=1)


def with_full_knowledge(people: Participants, seen: Ints, day: int) -> Ints:
    return FullKnowledge(World(600, seed=2), VALUES)(people, seen, day).ranking


def test_who_knows_everything_reaches_all_of_the_lift() -> None:
    results = played(with_full_knowledge)
    assert results.reached == pytest.approx(1.0)
    assert results.lift is not None
    assert results.lift["lower"] > 0
    for day in results.days:
        assert day["personalised"] == pytest.approx(day["best"])
        assert day["randomised"] < day["best"]
    for topic in results.topics:
        assert topic["personalised"] == pytest.approx(topic["best"])


def test_chance_reaches_none_of_it() -> None:
    results = played(by_chance)
    assert results.reached == pytest.approx(0.0, abs=0.15)
    assert results.lift is not None
    assert results.lift["lower"] < 0 < results.lift["upper"]


def test_shares_are_of_all_tiles_and_the_goal_is_the_programs() -> None:
    results = played(by_chance)
    for kind in ("personalised", "randomised", "best"):
        assert sum(topic[kind] for topic in results.topics) == pytest.approx(1.0)
    assert [day["share"] for day in results.beyond] == pytest.approx([0.27] * DAYS, abs=0.1)
    assert results.goal == PROGRAM.only_issue.exposure[0].share
    assert results.read_over == 7
