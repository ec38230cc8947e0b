"""What a simulation remembers becomes figures that follow from what was shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nightslate import programs
from nightslate.core.arrays import Ints
from nightslate.loop.onboarding.diary import Diary
from nightslate.reports.simulation import Simulation
from nightslate.simulation.onboarding.engine import Engine, FullKnowledge, Ranked
from nightslate.simulation.onboarding.responses import Truth, responses
from nightslate.simulation.onboarding.world import Participants, World

PROGRAM = programs.load(Path(__file__).parents[3] / "dags" / "onboarding_401k.yaml")
VALUES, FIRST = PROGRAM.rewards.values, PROGRAM.start_date
DAYS = 9
Rank = Callable[[Participants, Ints, int], Ints]


def played(personalised: Rank, users: int = 600) -> Simulation:
    """Days without nights. Half of the participants are personalised; the others see messages by chance."""
    world = World(users, seed=2)

    def rank(people: Participants, seen: Ints, day: int) -> Ranked:
        treated = people.number % 2 == 0
        ranking = np.where(treated[:, None], personalised(people, seen, day), by_chance(people, seen, day))
        variant = np.where(treated, "personalised", "randomised")
        return Ranked(ranking, pa.array(["slate"] * len(people)), pa.array(variant))

    engine, best = Engine(world, FIRST, rank), Engine(world, FIRST, FullKnowledge(world, VALUES))
    diary = Diary(PROGRAM, world)
    for day in range(DAYS):
        pages = engine.show(day)
        truths = (Truth.of(world, shown, VALUES) for shown in (pages, best.show(day)))
        diary.write_day(*truths, responses(world, pages))
    return diary.simulation(seed=2, seconds={})


def by_chance(people: Participants, seen: Ints, day: int) -> Ints:
    return np.argsort(np.random.default_rng(day).random(seen.shape), axis=1)


def with_full_knowledge(people: Participants, seen: Ints, day: int) -> Ints:
    return FullKnowledge(World(600, seed=2), VALUES)(people, seen, day).ranking


def test_who_knows_everything_reaches_all_of_the_lift() -> None:
    told = played(with_full_knowledge)
    assert told.reached == pytest.approx(1.0)
    assert told.lift is not None
    assert told.lift["lower"] > 0
    for day in told.days:
        assert day["personalised"] == pytest.approx(day["best"])
        assert day["randomised"] < day["best"]
    for topic in told.topics:
        assert topic["personalised"] == pytest.approx(topic["best"])


def test_chance_reaches_none_of_it() -> None:
    told = played(by_chance)
    assert told.reached == pytest.approx(0.0, abs=0.15)
    assert told.lift is not None
    assert told.lift["lower"] < 0 < told.lift["upper"]


def test_shares_are_of_all_tiles_and_the_goal_is_the_programs() -> None:
    told = played(by_chance)
    for kind in ("personalised", "randomised", "best"):
        assert sum(topic[kind] for topic in told.topics) == pytest.approx(1.0)
    assert [day["share"] for day in told.beyond] == pytest.approx([0.27] * DAYS, abs=0.1)
    assert told.goal == PROGRAM.exposure[0].share
    assert told.read_over == 7
