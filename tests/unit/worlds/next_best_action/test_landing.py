"""The campaigns of many cohorts as they land: offers by slates or at random, and everything that happened."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.next_best_action.landing import land_day
from nightslate.worlds.next_best_action.rec_engine import BEGINS_AT, DAYS, HOURS, Offers, RecEngine
from nightslate.worlds.next_best_action.world import (
    ADVERTISEMENT,
    ARMS,
    EVENTS,
    FEATURES,
    LARGE_DISCOUNT,
    OFFERS,
    STEPS,
)

FIRST, USERS, PLAYED = date(2026, 1, 30), 200, 9
PSEUDONYMISE = Pseudonymiser(b"a key of the tests alone", "1")
RANKING = [ARMS[LARGE_DISCOUNT], ARMS[ADVERTISEMENT], "small_discount"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> RecEngine:
    return played(tmp_path_factory.mktemp("played"))


def played(folder: Path) -> RecEngine:
    """Nine days; from the fourth on there are slates for half of the customers, all of one ranking."""
    engine = RecEngine(USERS, 1, FIRST, folder / "slates", PSEUDONYMISE)
    for number in range(PLAYED):
        if number >= 3:
            publish(engine, FIRST + timedelta(days=number))
        day = FIRST + timedelta(days=number)
        land_day(folder / "landing", engine, day, engine.show(day))
    return engine


def publish(engine: RecEngine, day: date) -> None:
    ids = PSEUDONYMISE(pa.array([i for cohort in engine.running(day) for i in cohort.ids[::2]]))
    table = pa.table(
        {
            "slate_id": [f"{day}-{user}" for user in ids.to_pylist()],
            "user_id": ids,
            "variant": ["personalised"] * len(ids),
            "ranking": [RANKING] * len(ids),
            "slate_date": pa.array([day] * len(ids), pa.date32()),
        }
    )
    write_deltalake(engine.folder, table, mode="append", partition_by=["slate_date"])


@pytest.fixture(scope="module")
def impressions(engine: RecEngine) -> pl.DataFrame:
    return landed(engine, "impressions")


@pytest.fixture(scope="module")
def outcomes(engine: RecEngine) -> pl.DataFrame:
    return landed(engine, "outcomes")


def landed(engine: RecEngine, log: str) -> pl.DataFrame:
    folder = engine.folder.parent / "landing" / log
    assert all((day / "_SUCCESS").is_file() for day in folder.iterdir())
    return pl.concat(
        pl.read_parquet(day / "part-0.parquet").with_columns(ds=pl.lit(date.fromisoformat(day.name[3:])))
        for day in sorted(folder.iterdir())
    )


def test_every_customer_gets_three_offers_on_the_days_of_their_steps(
    engine: RecEngine, impressions: pl.DataFrame
) -> None:
    assert (impressions["occurred_at"].dt.date() == impressions["ds"]).all()
    assert impressions["impression_id"].is_unique().all()
    begun = PLAYED - DAYS + 1
    cohorts = [engine.cohort(FIRST + timedelta(days=number)) for number in range(begun)]
    of_these = impressions.filter(pl.col("user_id").is_in([i for cohort in cohorts for i in cohort.ids]))
    assert len(of_these) == begun * USERS * OFFERS
    for cohort in cohorts:
        mine = of_these.filter(pl.col("user_id").is_in(cohort.ids)).sort("user_id", "occurred_at")
        start = datetime.combine(cohort.begins, time(BEGINS_AT), UTC)
        hours = ((mine["occurred_at"] - start) / timedelta(hours=1)).floor().cast(pl.Int64)
        order = np.argsort(cohort.ids)
        np.testing.assert_array_equal(hours.to_numpy().reshape(-1, OFFERS), cohort.world.times[order])


def test_who_has_a_slate_gets_its_first_and_the_others_anything_at_a_third(impressions: pl.DataFrame) -> None:
    early = impressions.filter(pl.col("ds") < FIRST + timedelta(days=3))
    assert early["slate_id"].null_count() == len(early)
    has_slate = pl.col("slate_id").is_not_null()
    random, by_slate = impressions.filter(~has_slate), impressions.filter(has_slate)
    assert len(by_slate) > 100
    assert set(by_slate["arm_id"]) == {RANKING[0]}
    assert set(by_slate["variant"]) == {"personalised"}
    assert by_slate["propensity"].null_count() == len(by_slate)
    assert random["variant"].null_count() == len(random)
    np.testing.assert_allclose(random["propensity"], 1 / 3)
    shares = random["arm_id"].value_counts(normalize=True)["proportion"]
    np.testing.assert_allclose(shares, 1 / 3, atol=4 * np.sqrt(2 / 9 / len(random)))
    assert all(arms == list(ARMS) for arms in impressions["eligible_arms"].to_list())


def test_a_slate_decides_once_and_a_second_offer_of_the_day_is_random(impressions: pl.DataFrame) -> None:
    with_slates = impressions.filter(pl.col("slate_id").is_not_null().any().over("user_id", "ds"))
    assert with_slates["slate_id"].drop_nulls().is_unique().all()
    second = with_slates.filter(pl.col("slate_id").is_null()).sort("occurred_at")
    assert len(second) > 10
    assert set(second["arm_id"]) == set(ARMS)
    first = with_slates.sort("occurred_at").group_by("user_id", "ds", maintain_order=True).first()
    assert first["slate_id"].null_count() == 0


def test_outcomes_are_all_that_happened_and_come_after_the_offer_of_their_hour(
    engine: RecEngine, impressions: pl.DataFrame, outcomes: pl.DataFrame
) -> None:
    assert (outcomes["occurred_at"].dt.date() == outcomes["ds"]).all()
    assert outcomes["outcome_id"].is_unique().all()
    assert set(outcomes["kind"]) == {"visit", "purchase"}
    for number in range(PLAYED):
        cohort = engine.cohort(FIRST + timedelta(days=number))
        events = cohort.campaign.events()[:, : (PLAYED - number) * HOURS - BEGINS_AT]
        mine = outcomes.filter(pl.col("user_id").is_in(cohort.ids))
        for kind in ("visit", "purchase"):
            assert (mine["kind"] == kind).sum() == (events == EVENTS.index(kind)).sum()
    hour = pl.col("occurred_at").dt.truncate("1h")
    together = outcomes.with_columns(hour=hour).join(
        impressions.with_columns(hour=hour), on=["user_id", "hour"], suffix="_offer"
    )
    assert len(together) > 100
    assert (together["occurred_at"] > together["occurred_at_offer"]).all()


def test_purchases_of_a_customer_are_matched_to_the_offer_before_them_as_the_world_counts(
    engine: RecEngine, impressions: pl.DataFrame, outcomes: pl.DataFrame
) -> None:
    bought = outcomes.filter(pl.col("kind") == "purchase").sort("occurred_at")
    offers = impressions.select("user_id", "occurred_at", "impression_id").sort("occurred_at")
    matched = bought.join_asof(offers, on="occurred_at", by="user_id", check_sortedness=False).drop_nulls(
        "impression_id_right"
    )
    for number in range(PLAYED - DAYS + 1):
        cohort = engine.cohort(FIRST + timedelta(days=number))
        of_cohort = matched.filter(pl.col("user_id").is_in(cohort.ids))
        assert len(of_cohort) == cohort.campaign.bought().sum()


def test_the_users_of_a_day_are_those_of_the_day_after_as_they_then_are(
    engine: RecEngine, impressions: pl.DataFrame, outcomes: pl.DataFrame
) -> None:
    users = landed(engine, "users").filter(pl.col("ds") == FIRST + timedelta(days=5))
    tomorrow = [engine.cohort(FIRST + timedelta(days=number)) for number in range(2, 7)]
    assert users["user_id"].to_list() == [i for cohort in tomorrow for i in cohort.ids]
    new = users.filter(pl.col("user_id").str.contains(str(FIRST + timedelta(days=6))))
    assert set(new.select(FEATURES[1:]).iter_rows()) == {(0.0, 100.0, 100.0, 100.0)}
    until = pl.col("ds") <= FIRST + timedelta(days=5)
    visits = outcomes.filter(until, pl.col("kind") == "visit")["user_id"].value_counts()
    counted = users.join(visits, on="user_id", how="left").with_columns(pl.col("count").fill_null(0))
    assert (counted["visits"] == counted["count"]).all()
    shown = impressions.filter(until).with_columns(arm=pl.lit("first_") + pl.col("arm_id"))
    for feature in FEATURES[2:]:
        offered = users.filter(pl.col(feature) < 100)["user_id"].to_list()
        assert set(offered) == set(shown.filter(pl.col("arm") == feature)["user_id"]) & set(users["user_id"])


def test_offers_of_one_hour_stand_in_order_a_minute_apart() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nightslate.worlds.next_best_action.world.AROUND", (30.0, 30.0, 30.0))
        patch.setattr("nightslate.worlds.next_best_action.world.SPREAD", 0.5)
        engine = RecEngine(50, 3, FIRST, Path("nowhere"), PSEUDONYMISE)
        offers = engine.show(FIRST) + engine.show(FIRST + timedelta(days=1))
    cohort = engine.cohort(FIRST)
    mine = [made for made in offers if made.cohort is cohort and len(made.who)]
    np.testing.assert_array_equal([made.number for made in mine], [1, 2, 3])
    place = np.stack([made.place for made in mine], axis=1)
    same = np.diff(cohort.world.times, axis=1) == 0
    assert same.any()
    np.testing.assert_array_equal(place[:, 1:] > place[:, :-1], same)
    assert states_of_the_second_know_the_first(mine)


def states_of_the_second_know_the_first(made: list[Offers]) -> bool:
    first, second = made[:2]
    known = second.states[np.arange(len(second.who)), 2 + first.actions]
    return bool((known == first.step).all())


def test_most_customers_get_their_offers_on_three_days(engine: RecEngine) -> None:
    days = (engine.cohort(FIRST).world.times + BEGINS_AT) // HOURS
    assert (np.diff(days, axis=1) > 0).all(axis=1).mean() > 0.9


def test_the_same_seed_lands_the_same_days(
    engine: RecEngine, impressions: pl.DataFrame, tmp_path: Path
) -> None:
    again = landed(played(tmp_path), "impressions")
    assert again.equals(impressions)
    assert engine.cohort(FIRST).is_over(FIRST + timedelta(days=DAYS - 1))
    assert not engine.cohort(FIRST).is_over(FIRST + timedelta(days=STEPS // HOURS - 1))
