"""The onboarding homepage: a world that is what it says, an engine that keeps its rules, logs that land."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from nightslate.core.policies.plackett_luce import sample_rankings
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.onboarding_401k.landing import Landing
from nightslate.worlds.onboarding_401k.messages import BEYOND_401K, MESSAGES, TOPIC_OF, TOPICS, described
from nightslate.worlds.onboarding_401k.rec_engine import (
    MOST_A_MONTH,
    NO_TILE,
    FullKnowledge,
    Pages,
    PublishedSlates,
    RecEngine,
)
from nightslate.worlds.onboarding_401k.responses import responses
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import DAYS_ON_BOARD, EXAMINED, FATIGUE, TILES, World

FIRST = date(2026, 1, 30)
VALUES = {"click": 0.05, "qualified_view": 0.2, "task": 1.0}
PSEUDONYMISE = Pseudonymiser(b"a key of the tests alone", "1")


@pytest.fixture
def engine(tmp_path: Path) -> RecEngine:
    return of_slates(World(users=500, seed=1), tmp_path / "slates")


def of_slates(world: World, folder: Path) -> RecEngine:
    return RecEngine(world, FIRST, PublishedSlates(world, FIRST, folder, PSEUDONYMISE))


def test_a_world_is_a_function_of_its_seed_and_nobody_depends_on_who_else_is_asked_for() -> None:
    world, people = World(200, 1), World(200, 1).participants(5)
    some, never = np.array([7, 3, 150]), np.zeros((200, len(MESSAGES)), dtype=np.int64)
    for kind in ("click", "task"):
        whole, seen = world.chances(people, never, kind), never[some]
        np.testing.assert_array_equal(world.chances(people.take(some), seen, kind), whole[some])
        np.testing.assert_allclose(world.chances(people, never + 2, kind), FATIGUE**2 * whole)
        assert ((whole > 0) & (whole < 1)).all()
        assert (World(200, 2).chances(World(200, 2).participants(5), never, kind) != whole).all()
    np.testing.assert_array_equal(
        world.draws(people.take(some), 5, "click"), world.draws(people, 5, "click")[some]
    )


def test_a_participant_stays_90_days_and_makes_room_for_another() -> None:
    world = World(50, 3)
    days = [world.participants(day) for day in range(DAYS_ON_BOARD + 1)]
    assert (days[0].number + 50 == days[DAYS_ON_BOARD].number).all()
    for before, after in pairwise(days):
        stayed = before.number == after.number
        assert (after.days[stayed] == before.days[stayed] + 1).all()
        assert (after.days[~stayed] == 0).all()
        assert (after.device[stayed] == before.device[stayed]).all()


def test_every_topic_comes_in_every_format_and_some_are_beyond_the_401k() -> None:
    arms = described()
    assert len({(arm["topic"], arm["format"]) for arm in arms}) == len(arms) == 30
    assert {arm["topic"] for arm in arms if arm["beyond_401k"] == "yes"} == set(BEYOND_401K)


def test_without_slates_pages_are_random_eligible_messages(engine: RecEngine) -> None:
    pages = engine.show(0)
    assert pages.slate_id.null_count == pages.variant.null_count == len(pages.people)
    np.testing.assert_array_equal(pages.shown.sum(axis=1), TILES[pages.people.device])
    _keeps_the_rules(pages)
    eligible = pages.allowed.sum(axis=1)
    np.testing.assert_allclose(pages.propensity("conditional")[:, 2], 1 / (eligible - 2))
    np.testing.assert_allclose(pages.propensity("marginal")[:, 2], 1 / eligible)


def test_the_engine_shows_the_first_of_the_ranking_that_it_may(engine: RecEngine) -> None:
    """Every slate ranks the messages in one order, so the first are shown until they are used up."""
    rankings = {day: _publish(engine, day) for day in range(2, 28)}
    engine.show(0)
    engine.show(1)
    used_up = False
    for day, ranking in rankings.items():
        pages = engine.show(day)
        _keeps_the_rules(pages)
        known = pages.slate_id.is_valid().to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(known):
            left = [arm for arm in ranking if pages.allowed[row, arm]]
            tiles = pages.tiles[row][pages.shown[row]].tolist()
            assert tiles == left[: len(tiles)]
            used_up |= pages.seen[row].max() == MOST_A_MONTH
        assert (pages.of_variant("personalised") == known).all()
    assert used_up


def test_what_was_seen_is_forgotten_in_a_new_month(engine: RecEngine) -> None:
    for day in range(2):
        engine.show(day)
    first_of_february = engine.show(2)
    assert first_of_february.seen.sum() == 0
    assert engine.show(3).seen.sum() > 0


def test_expected_rewards_are_what_drawn_ones_tend_to() -> None:
    engine = of_slates(World(users=40_000, seed=4), Path("nowhere"))
    expected, drawn = [], []
    for day in range(4):
        pages = engine.show(day)
        expected.append(Truth.of(engine.world, pages, VALUES).of_shown())
        drawn.append(responses(engine.world, pages).earned(VALUES))
    difference = np.concatenate(drawn) - np.concatenate(expected)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(difference.size)


def test_the_value_of_a_policy_is_the_mean_over_its_rankings(engine: RecEngine) -> None:
    for day in range(3, 8):
        pages = engine.show(day)
    truth = Truth.of(engine.world, pages, VALUES)
    n = len(pages.people)
    weights = np.random.default_rng(1).gamma(0.3, size=(n, len(MESSAGES))) + 0.01
    arms = np.arange(len(MESSAGES), dtype=np.uint64)
    played = []
    for number in range(400):
        keys = np.arange(n, dtype=np.uint64) + np.uint64(n * number)
        rankings = sample_rankings(weights, keys, arms, 3, pages.allowed)
        shown = replace(pages, tiles=np.where(pages.shown, rankings, NO_TILE))
        played.append(Truth(shown, truth.worth).of_shown().mean())
    assert np.mean(played) == pytest.approx(truth.of_policy(weights).mean(), abs=4 * np.std(played) / 20)


def test_no_page_is_better_than_that_of_full_knowledge(engine: RecEngine) -> None:
    best = RecEngine(engine.world, FIRST, FullKnowledge(engine.world, VALUES))
    pages, known = engine.show(0), best.show(0)
    _keeps_the_rules(known)
    np.testing.assert_array_equal(pages.place, known.place)
    truth, highest = (Truth.of(engine.world, shown, VALUES) for shown in (pages, known))
    assert (highest.of_shown() >= truth.of_shown()).all()
    three = np.sort(np.where(pages.allowed, truth.worth, 0.0), axis=1)[:, :-4:-1]
    np.testing.assert_allclose(highest.of_shown(), (three * EXAMINED[pages.people.device]).sum(axis=1))


def test_logs_land_whole_and_a_task_lands_on_its_day(engine: RecEngine, tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing", FIRST, "marginal")
    happened, shown = dict.fromkeys(VALUES, 0), 0
    for day in range(20):
        pages = engine.show(day)
        done = responses(engine.world, pages)
        landing.land(engine.world.participants(day), pages, done)
        if day < 6:  # all their tasks land within the two weeks that are left
            happened = {kind: n + int(done.happened[kind].sum()) for kind, n in happened.items()}
            shown += int(pages.shown.sum())
    impressions, outcomes = (_landed(tmp_path / "landing" / log) for log in ("impressions", "outcomes"))
    assert len(impressions.filter(pl.col("ds") < FIRST + timedelta(days=6))) == shown
    assert impressions["propensity"].is_between(0, 1, closed="none").all()
    assert (outcomes["occurred_at"].dt.date() == outcomes["ds"]).all()
    early = pl.lit(datetime.combine(FIRST + timedelta(days=6), datetime.min.time(), UTC))
    task_of = outcomes.with_columns(
        shown=pl.col("outcome_id").str.extract(r"(\d{4}-\d\d-\d\d)").str.to_date()
    ).filter(pl.col("shown") < early.dt.date())
    assert dict(task_of["kind"].value_counts().iter_rows()) == happened
    tasks = outcomes.filter(pl.col("kind") == "task")
    assert tasks["impression_id"].null_count() == len(tasks)
    assert (tasks["arm_id"].is_in(MESSAGES)).all()
    assert (tasks["ds"] > tasks["outcome_id"].str.extract(r"(\d{4}-\d\d-\d\d)").str.to_date()).any()
    named = outcomes.filter(pl.col("kind") != "task")["impression_id"]
    assert named.is_in(impressions["impression_id"].to_list()).all()
    users = _landed(tmp_path / "landing" / "users")
    assert 0.3 < users["age_band"].null_count() / len(users) < 0.5


def _keeps_the_rules(pages: Pages) -> None:
    for row in range(len(pages.people)):
        tiles = pages.tiles[row][pages.shown[row]]
        assert len(set(tiles.tolist())) == len(tiles)
        assert pages.allowed[row, tiles].all()
        assert (pages.seen[row, tiles] < MOST_A_MONTH).all()
        topics = {TOPICS[topic] for topic in TOPIC_OF[pages.allowed[row]]}
        assert ("employer_match" in topics) <= (pages.people.match[row] > 0)
        assert ("rollover" in topics) <= (pages.people.days[row] >= 7)


def _publish(engine: RecEngine, day: int) -> list[int]:
    """Slates of a day for everyone of the day before, all of one ranking; returns it as places."""
    people = engine.world.participants(day - 1)
    ranking = np.random.default_rng(1).permutation(len(MESSAGES)).tolist()
    ids = PSEUDONYMISE(pa.array(people.ids))
    table = pa.table(
        {
            "slate_id": [f"{day}-{user}" for user in ids.to_pylist()],
            "user_id": ids,
            "variant": ["personalised"] * len(people),
            "ranking": [[MESSAGES[place] for place in ranking]] * len(people),
            "slate_date": pa.array([FIRST + timedelta(days=day)] * len(people), pa.date32()),
        }
    )
    write_deltalake(engine.rank.folder, table, mode="append", partition_by=["slate_date"])
    return ranking


def _landed(folder: Path) -> pl.DataFrame:
    assert all((day / "_SUCCESS").is_file() for day in folder.iterdir())
    return pl.concat(
        pl.read_parquet(day / "part-0.parquet").with_columns(ds=pl.lit(date.fromisoformat(day.name[3:])))
        for day in sorted(folder.iterdir())
    )


def test_it_pays_to_know_how_often_a_message_was_seen() -> None:
    """Beside who knows all the same of messages, but takes each for unseen: what features can find."""
    world, pages = World(users=1000, seed=1), list[np.ndarray]()
    knowing = FullKnowledge(world, VALUES)
    for rank in (knowing, lambda people, seen, day: knowing(people, np.zeros_like(seen), day)):
        engine = RecEngine(world, FIRST, rank)
        earned = [Truth.of(world, engine.show(day), VALUES).of_shown() for day in range(40)]
        pages.append(np.concatenate(earned[20:]))
    assert len(pages[0]) == len(pages[1])  # who visits does not depend on what is shown
    difference = pages[0] - pages[1]
    assert difference.mean() > 3 * difference.std() / np.sqrt(len(difference))
    assert 0.001 < difference.mean() / pages[1].mean() < 0.03
