"""The logs of two days of campaigns go through the first steps of their nights: nothing is turned away, and
purchases are credited as the world counts them."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession

from nightslate import programs
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.worlds.next_best_action.landing import land_day
from nightslate.worlds.next_best_action.rec_engine import BEGINS_AT, HOURS, RecEngine
from nightslate.worlds.next_best_action.world import EVENTS

PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "next_best_action.yaml")
FIRST, USERS = PROGRAM.start_date, 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the tests alone")
        engine = RecEngine(USERS, 1, FIRST, home / "no slates yet", Pseudonymiser.from_environment())
        for number, steps in enumerate((("ingest",), ("ingest", "attribute"))):
            day = FIRST + timedelta(days=number)
            land_day(home / "landing" / PROGRAM.program, engine, day, engine.show(day))
            for step in steps:
                run_step(step, Night(PROGRAM, day, home))
    return home


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / PROGRAM.program / table))


def test_nothing_that_the_engine_logs_is_turned_away(home: Path) -> None:
    assert rows(home, "quarantine").is_empty()
    for log in ("impressions", "outcomes", "users", "arms"):
        landed = pl.read_parquet(home / "landing" / PROGRAM.program / log / "*" / "part-0.parquet")
        assert len(rows(home, log)) == len(landed)


def test_purchases_are_credited_to_the_offer_before_them(home: Path, engine_again: RecEngine) -> None:
    history = engine_again.cohort(FIRST)
    bought = history.campaign.events()[:, : 2 * HOURS - BEGINS_AT] == EVENTS.index("purchase")
    since_the_first = sum(
        row[step:].sum() for row, step in zip(bought, history.world.times[:, 0], strict=True)
    )
    assert rows(home, "credits")["value"].sum() == since_the_first


@pytest.fixture
def engine_again() -> RecEngine:
    """The same offers as in the logs: without slates they are the world's."""
    engine = RecEngine(
        USERS, 1, FIRST, Path("no slates yet"), Pseudonymiser(b"a key of the tests alone", "1")
    )
    for number in range(2):
        engine.show(FIRST + timedelta(days=number))
    return engine
