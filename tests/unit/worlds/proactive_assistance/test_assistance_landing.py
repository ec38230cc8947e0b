"""The rec engine without slates, what it lands, and the signs that conditions are about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightslate import programs
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.proactive_assistance.landing import Landing
from nightslate.worlds.proactive_assistance.population import Day, Population
from nightslate.worlds.proactive_assistance.rec_engine import Chance, PublishedSlates, lowest_hash
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES, NOTHING, SIGNS
from nightslate.worlds.proactive_assistance.world import World

PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "proactive_assistance.yaml")
FIRST = PROGRAM.start_date
USERS, DAYS = 1500, 3
Log = Callable[[str], pl.DataFrame]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Day], Log]:
    """Days of which no slate was published, and their logs."""
    world, folder = World(USERS, 4), tmp_path_factory.mktemp("landing") / "logs"
    pseudonymise = Pseudonymiser(b"a key of the tests alone", "1")
    population = Population(world, PROGRAM, PublishedSlates(world, PROGRAM, folder / "none", pseudonymise))
    landing, days = Landing(world, folder, FIRST), []
    for number in range(DAYS):
        days.append(population.play(number))
        landing.land(days[-1], population.subscribers)

    def log(name: str) -> pl.DataFrame:
        parts = [
            pl.read_parquet(
                folder / name / f"ds={FIRST + timedelta(days=number)}" / "part-0.parquet"
            ).with_columns(ds=FIRST + timedelta(days=number))
            for number in range(DAYS)
        ]
        return pl.concat(parts)

    return days, log


def test_whoever_is_new_and_suspicious_gets_help_by_chance_and_nobody_else(
    played: tuple[list[Day], Log],
) -> None:
    days, log = played
    impressions = log("impressions")
    assert impressions["slate_id"].null_count() == len(impressions) > 10
    assert (impressions["propensity"] == impressions["issue_probability"] / 4).all()
    assert set(impressions["issue_probability"]) >= {1.0}
    new = {FIRST: set(days[0].morning.people.ids)}
    for number in (1, 2):
        before = set(days[number - 1].morning.people.ids)
        new[FIRST + timedelta(days=number)] = set(days[number].morning.people.ids) - before
    for row in impressions.iter_rows(named=True):
        assert row["user_id"] in new[row["ds"]]
        assert row["arm_id"] in PROGRAM.issue(row["issue"]).arms.ids


def test_events_lie_within_their_day_and_outcomes_after_what_they_name(
    played: tuple[list[Day], Log],
) -> None:
    days, log = played
    for name in ("impressions", "outcomes", "activity"):
        rows = log(name)
        assert (rows["occurred_at"].dt.date() == rows["ds"]).all()
    impressions, outcomes = log("impressions"), log("outcomes")
    opened = outcomes.filter(pl.col("kind") == "opened").join(
        impressions, on="impression_id", suffix="_shown"
    )
    assert len(opened) == sum(int(day.opened.sum()) for day in days) > 0
    assert (opened["occurred_at"] > opened["occurred_at_shown"]).all()
    assert "nothing" not in set(opened["arm_id"])
    left = outcomes.filter(pl.col("kind") == "cancellation")
    assert len(left) == sum(int(day.cancelled.sum()) for day in days) > 0
    last = log("activity").group_by("user_id", "ds").agg(pl.col("occurred_at").max().alias("seen"))
    both = left.join(last, on=["user_id", "ds"])
    assert (both["occurred_at"] > both["seen"]).all()
    assert not outcomes["outcome_id"].is_duplicated().any()


def test_users_are_those_of_the_day_after(played: tuple[list[Day], Log]) -> None:
    days, log = played
    users = log("users")
    for number in range(DAYS - 1):
        there = set(users.filter(pl.col("ds") == FIRST + timedelta(days=number))["user_id"])
        assert there == set(days[number + 1].morning.people.ids)
        assert len(there) == USERS


def test_signs_are_the_events_that_land_and_conditions_go_by_them(played: tuple[list[Day], Log]) -> None:
    days, log = played
    activity, place = log("activity"), SIGNS.index
    for number, day in enumerate(days):
        today = activity.filter(pl.col("ds") == FIRST + timedelta(days=number))
        assert (today["page"] == "home").sum() == len(day.visits.place)
        assert (today["page"] == "pricing").sum() == day.visits.signs[:, place("pricing")].sum()
        assert (today["kind"] == "error").sum() == day.visits.signs[:, place("error")].sum()
        assert (today["kind"] == "dialog_confirmed").sum() == day.visits.signs[:, place("dialog")].sum()
    world = World(USERS, 4)
    population = Population(world, PROGRAM, Chance(world, PROGRAM))
    for number in range(2):
        population.play(number)
    people, until = population.subscribers.people, datetime(2026, 1, 14, tzinfo=UTC)
    seconds = (
        activity.filter(pl.col("page") == "pricing", pl.col("occurred_at") < until)
        .group_by("user_id")
        .agg(pl.col("seconds").sum())
    )
    looked = set(seconds.filter(pl.col("seconds") >= 45)["user_id"])
    concerned = population.signs.concerned(people, 2)[:, ISSUES.index("pricing")]
    assert {people.ids[row] for row in np.flatnonzero(concerned)} <= looked


def test_one_issue_of_each_user_is_chosen_whatever_the_order() -> None:
    world = World(50, 1)
    people = world.people(np.zeros(50, dtype=np.int64))
    row, issue = np.repeat(np.arange(50), 3), np.tile(np.arange(3), 50)
    mine = lowest_hash(world, people, 7, row, issue)
    order = np.random.default_rng(0).permutation(150)
    shuffled = lowest_hash(world, people, 7, row[order], issue[order])
    chosen = dict(zip(row[mine].tolist(), issue[mine].tolist(), strict=True))
    assert chosen == dict(zip(row[order][shuffled].tolist(), issue[order][shuffled].tolist(), strict=True))
    assert len(chosen) == 50
    assert set(chosen.values()) == {0, 1, 2}


def test_chance_shows_each_arm_of_an_issue_as_often() -> None:
    world = World(6000, 3)
    population = Population(world, PROGRAM, Chance(world, PROGRAM))
    shown = np.zeros((len(ISSUES), len(ARMS)))
    for number in range(6):
        decisions = population.play(number).decisions
        np.add.at(shown, (decisions.issue, decisions.arm), 1)
        assert (decisions.propensity <= 1 / 4).all()
    for counts in shown:
        expected = counts.sum() / 4
        assert abs(counts[NOTHING] - expected) < 4 * np.sqrt(expected)
        assert (counts > 0).sum() == 4
