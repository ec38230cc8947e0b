"""What lands of what was sent, and what came of it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.marketing_templates.landing import Landing
from nightslate.worlds.marketing_templates.population import Day, Population
from nightslate.worlds.marketing_templates.rec_engine import RULE, MarketingRule, Moment, PublishedSends
from nightslate.worlds.marketing_templates.templates import ARMS, NOTHING
from nightslate.worlds.marketing_templates.world import World

FIRST, USERS, DAYS = date(2026, 1, 12), 3000, 16
PSEUDONYMISE = Pseudonymiser(b"a key of the tests alone", "1")
Log = Callable[[str], pl.DataFrame]


def publish(home: Path, world: World, day: int) -> None:
    """Sends of a day for every other customer: an e-mail at a time, or nothing, or no consent. The others are
    marketing's."""
    midnight = datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), UTC)
    users = PSEUDONYMISE(pa.array(world.customers(day).ids)).to_pylist()
    reasons = [None, "nothing", "opted_out"]
    rows = [
        {
            "slate_date": midnight.date(),
            "slate_id": f"{place:064x}",
            "user_id": user,
            "variant": "personalised",
            "arm_id": "nothing" if place % 3 == 1 else "upsell_email_1",
            "reason": reasons[place % 3],
            "send_at": None if place % 3 else midnight + timedelta(hours=15),
        }
        for place, user in enumerate(users)
        if place % 2 == 0
    ]
    assigned = [
        {"slate_date": midnight.date(), "user_id": user, "variant": RULE if place % 2 else "personalised"}
        for place, user in enumerate(users)
    ]
    for name, table in {"sends": rows, "assignments": assigned}.items():
        write_deltalake(home / name, pa.Table.from_pylist(table), partition_by=["slate_date"], mode="append")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Day], Log]:
    home = tmp_path_factory.mktemp("shop")
    world, days = World(USERS, 1), []
    tables = home / "sends", home / "assignments"
    population = Population(world, 4, PublishedSends(world, FIRST, *tables, PSEUDONYMISE))
    landing = Landing(world, home / "logs", FIRST)
    for number in range(DAYS):
        if number == 8:
            publish(home, world, number)
        days.append(population.play(number))
        landing.land(days[-1], population.customers(number + 1))

    def log(name: str) -> pl.DataFrame:
        parts = [
            pl.from_arrow(
                pq.ParquetFile(home / "logs" / name / f"ds={FIRST + timedelta(days=n)}/part-0.parquet").read()
            ).with_columns(ds=pl.lit(FIRST + timedelta(days=n)))  # type: ignore[union-attr]
            for n in range(DAYS)
        ]
        return pl.concat(parts, how="vertical_relaxed")

    return world, days, log


def test_sends_are_kept_and_customers_of_marketing_get_what_its_rule_says(
    played: tuple[World, list[Day], Log],
) -> None:
    world, days, log = played
    decisions, shown = days[8].decisions, log("impressions")
    place = decisions.place
    by_rule = place % 2 == 1
    assert set(place[~by_rule] % 3) == {0, 1}
    assert set(place[by_rule]) == set(range(1, USERS, 2))
    moment = Moment(8, days[8].morning, np.ones(USERS, dtype=np.bool_), days[8].tired)
    of_rule = MarketingRule(world).arms(moment)
    np.testing.assert_array_equal(decisions.arm[by_rule], of_rule[place[by_rule]])
    assert (decisions.arm[~by_rule & (place % 3 == 1)] == NOTHING).all()
    assert (decisions.arm[~by_rule & (place % 3 == 0)] == ARMS.index("upsell_email_1")).all()
    rule = shown.filter(pl.col("variant") == RULE)
    assert (rule["propensity"] == 1.0).all()
    assert rule["arm_id"].is_in(rule["eligible_arms"]).all()
    assert rule["eligible_arms"].list.len().max() > 1  # type: ignore[operator]
    assert rule["slate_id"].null_count() == len(rule) > 0
    mine = shown.filter(pl.col("variant") == "personalised")
    assert mine["propensity"].null_count() == len(mine) > 0
    assert mine["slate_id"].null_count() == 0


def test_bounces_cost_no_arm_and_are_no_impression(played: tuple[World, list[Day], Log]) -> None:
    _, days, log = played
    shown, outcomes = log("impressions"), log("outcomes")
    bounced = outcomes.filter(pl.col("kind") == "bounced")
    assert len(bounced) == days[8].bounced.sum() > 0
    assert bounced["impression_id"].null_count() == len(bounced)
    assert not set(bounced["user_id"]) & set(shown["user_id"])
    delivered = outcomes.filter(pl.col("kind") == "delivered")
    sent = shown.filter(pl.col("arm_id") != "nothing")
    assert set(delivered["impression_id"]) == set(sent["impression_id"])


def test_outcomes_come_after_their_message_within_a_week_and_land_on_their_day(
    played: tuple[World, list[Day], Log],
) -> None:
    _, days, log = played
    outcomes, shown = log("outcomes"), log("impressions")
    assert (outcomes["occurred_at"].dt.date() == outcomes["ds"]).all()
    assert (shown["occurred_at"].dt.date() == shown["ds"]).all()
    named = outcomes.drop_nulls("impression_id").join(shown, on="impression_id", suffix="_shown")
    late = named["occurred_at"] - named["occurred_at_shown"]
    assert late.min() > timedelta(0)  # type: ignore[operator]
    assert late.max() < timedelta(days=7)  # type: ignore[operator]
    for kind in ("opened", "clicked", "purchased", "unsubscribed", "proxy_open"):
        assert (outcomes["kind"] == kind).sum() == days[8].happened[kind].sum()
    assert not outcomes["outcome_id"].is_duplicated().any()
    left = outcomes.filter(pl.col("kind") == "unsubscribed")
    assert (left["ds"] == FIRST + timedelta(days=8)).all()


def test_marketing_sends_at_noon_and_the_program_when_its_sends_say(
    played: tuple[World, list[Day], Log],
) -> None:
    shown = played[2]("impressions").filter(pl.col("arm_id") != "nothing")
    for row in shown.iter_rows(named=True):
        there = row["occurred_at"].astimezone(ZoneInfo(row["time_zone"]))
        if row["variant"] == RULE:
            assert there.hour == 12
            assert there.minute < 20
        else:
            assert row["occurred_at"].hour == 15


def test_who_unsubscribed_consents_to_nothing_from_the_next_day_on(
    played: tuple[World, list[Day], Log],
) -> None:
    _, days, log = played
    people = days[8].morning
    gone = [people.ids[place] for place in days[8].decisions.place[days[8].happened["unsubscribed"]]]
    users = log("users")
    after = users.filter(pl.col("ds") == FIRST + timedelta(days=8), pl.col("user_id").is_in(gone))
    assert len(after) == len(gone)
    assert all((after[f"consent_{channel}"] == "no").all() for channel in ("email", "text", "push"))
    counts = [int((users["ds"] == FIRST + timedelta(days=number)).sum()) for number in range(DAYS)]
    assert counts == [int((people.joins <= number).sum()) for number in range(DAYS)]
