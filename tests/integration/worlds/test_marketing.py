"""Four days of a shop and their nights: what is sent is what the nights published, or what marketing's rule
says, and what nights learn from is what the world did."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nightslate import programs
from nightslate.pipeline.arm_insights import models_by_day
from nightslate.pipeline.night import Night
from nightslate.programs import Program
from nightslate.worlds.marketing_templates.page import MarketingResults
from nightslate.worlds.marketing_templates.population import Day, Population
from nightslate.worlds.marketing_templates.rec_engine import PublishedSends
from nightslate.worlds.marketing_templates.templates import ARMS, ORDER_VALUES
from nightslate.worlds.marketing_templates.world import World
from nightslate.worlds.play import PSEUDONYMISE, Play

pytestmark = pytest.mark.e2e

NAME = "marketing_templates"
USERS, SEED, DAYS = 1500, 2, 4
_READ = ("sends", "assignments")
Played = tuple[Path, MarketingResults]


@pytest.fixture(scope="module")
def shop() -> Program:
    """The program that ships, with rewards that are known after a day."""
    program = programs.load(Path(__file__).parents[3] / "dags" / f"{NAME}.yaml")
    issue, day = program.only_issue, timedelta(days=1)
    rewards = {"window": day, "windows": {}, "maturity": "exclude"}
    changed = {
        "rewards": issue.rewards.model_copy(update=rewards),
        "evaluation": issue.evaluation.model_copy(update={"resamples": 100, "folds": 2}),
    }
    return program.model_copy(update={"issues": {issue.name: issue.model_copy(update=changed)}})


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, shop: Program) -> Iterator[Played]:
    home = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        report = Play(shop, home, users=USERS, seed=SEED).run(DAYS, lambda *_: None)
        assert isinstance(report.results, MarketingResults)
        yield home, report.results


@pytest.fixture(scope="module")
def again(played: Played, shop: Program) -> list[Day]:
    """The days once more, by the sends that are there now."""
    world, tables = World(USERS, SEED), [played[0] / "tables" / NAME / name for name in _READ]
    population = Population(world, 4, PublishedSends(world, shop.start_date, *tables, PSEUDONYMISE))
    return [population.play(number) for number in range(DAYS)]


def table(home: Path, name: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / NAME / name))


def test_nothing_that_lands_is_turned_away(played: Played) -> None:
    assert table(played[0], "quarantine").is_empty()
    assert {"delivered", "bounced", "proxy_open"} <= set(table(played[0], "outcomes")["kind"])


def test_messages_are_those_of_the_sends_and_of_marketing_s_rule(played: Played) -> None:
    shown, sends = table(played[0], "impressions"), table(played[0], "sends")
    assert set(shown["variant"]) == {"personalised", "rule", "randomised"}
    others = shown.filter(pl.col("variant") != "rule")
    by_slate = others.join(sends, on=["slate_id", "user_id"], suffix="_sent")
    assert len(by_slate) == len(others) > 0
    assert (by_slate["arm_id"] == by_slate["arm_id_sent"]).all()
    assert (by_slate["propensity"] / by_slate["propensity_sent"] - 1).abs().max() < 1e-12  # type: ignore[operator]
    sent = by_slate.drop_nulls("send_at")
    assert (sent["occurred_at"] >= sent["send_at"]).all()
    assert (sent["occurred_at"] < sent["send_until"]).all()
    rule = shown.filter(pl.col("variant") == "rule")
    assert (rule["propensity"] == 1.0).all()
    assert rule["slate_id"].null_count() == len(rule)
    assigned = table(played[0], "assignments").filter(pl.col("variant") == "rule")
    dealt = assigned.select("user_id", ds="slate_date")
    assert len(rule.join(dealt, on=["user_id", "ds"])) == len(rule) > 0
    for name in ("slates", "sends"):
        assert not set(table(played[0], name)["variant"]) & {"rule"}
    assert shown["ds"].min() > sends["slate_date"].min() - timedelta(days=1)  # type: ignore[operator]


def test_what_may_be_sent_is_what_the_world_says(played: Played, shop: Program, again: list[Day]) -> None:
    slates = table(played[0], "slates")
    candidates = {row["slate_id"]: set(row["candidates"]) for row in slates.iter_rows(named=True)}
    seen = 0
    for day in again:
        decisions = day.decisions
        for row, slate in enumerate(decisions.slate_id.to_pylist()):
            if slate is not None:
                assert candidates[slate] == {ARMS[arm] for arm in np.flatnonzero(decisions.eligible[row])}
                seen += 1
    assert seen > 100
    assert not again[0].decisions.place.size
    tomorrow = shop.start_date + timedelta(days=3)
    users = np.array(PSEUDONYMISE(pa.array(again[3].morning.ids)).to_pylist())
    reached = again[3].morning.consent.any(axis=1) & (again[3].tired < 4) & (again[3].morning.joins < 3)
    there = set(slates.filter(pl.col("slate_date") == tomorrow)["user_id"])
    assigned = table(played[0], "assignments").filter(pl.col("slate_date") == tomorrow)
    others = set(assigned.filter(pl.col("variant") == "rule")["user_id"])
    assert there | others == set(users[reached])
    assert not there & others


def test_what_impressions_are_credited_with_is_what_happened(
    played: Played, shop: Program, again: list[Day]
) -> None:
    """Of clicks, orders and unsubscribing within a day of what was sent on the days before the last."""
    credits = table(played[0], "credits")
    outcomes = table(played[0], "outcomes").filter(pl.col("kind").is_in(["clicked", "unsubscribed"]))
    values = shop.only_issue.rewards.values
    expected = dict[str, float]()
    for row in outcomes.iter_rows(named=True):
        expected[row["impression_id"]] = expected.get(row["impression_id"], 0.0) + values[row["kind"]]
    early = (
        credits.filter(pl.col("kind") != "purchased").group_by("impression_id").agg(pl.col("credit").sum())
    )
    assert dict(early.iter_rows()) == pytest.approx(expected)
    bought = credits.filter(pl.col("kind") == "purchased")
    orders = {
        f"{shop.start_date + timedelta(days=day.day)}-{day.morning.ids[place]}": ORDER_VALUES[arm]
        for day in again
        for place, arm, yes in zip(
            day.decisions.place, day.decisions.arm, day.happened["purchased"], strict=True
        )
        if yes
    }
    assert 0 < len(bought) <= len(orders)
    for row in bought.iter_rows(named=True):
        assert row["credit"] == pytest.approx(orders[row["impression_id"]])


def test_figures_know_the_truth_of_what_is_estimated(played: Played) -> None:
    results = played[1]
    assert {row["group"] for row in results.groups} == {
        "personalised", "rule", "randomised", "as_rule", "best",
    }  # fmt: skip
    judged = [
        row for row in results.estimates if row["estimand"] == "progressive" and row["lower"] is not None
    ]
    assert judged
    assert all(row["truth"] is not None and -0.2 < row["truth"] < 0.5 for row in judged)
    last = results.days[-1]
    assert last["best"] > max(last["as_rule"], last["randomised"])


def test_insights_are_of_the_night_s_model_and_logs(played: Played, shop: Program) -> None:
    """Of the last night: what each template earned, by its definition, and all else that is told."""
    ds = shop.start_date + timedelta(days=DAYS - 1)
    insights = table(played[0], "insights").filter(pl.col("ds") == ds)
    assert set(insights["learner"]) == {"shared"}
    of_arms_alone = {"response", "naive_response", "exploration"}
    of_champion = {"effect", "importance", "best", "lead", "contribution"}
    assert set(insights["figure"]) == of_arms_alone | of_champion
    of = {name[0]: rows.sort("place") for name, rows in insights.partition_by("figure", as_dict=True).items()}
    sizes = of["effect"]["value"].abs()
    assert len(sizes) == 20
    assert sizes.is_sorted(descending=True)
    assert of["importance"]["value"].is_sorted(descending=True)
    ignored = {"time_zone", "consent_email", "consent_text", "consent_push"}
    features = {feature.name for feature in shop.context} - ignored
    of_arms = {f"{feature.name} of arms" for feature in shop.logs.arm_features}
    assert set(of["importance"]["about"]) == {"arm", *features, *of_arms}
    assert of["best"]["value"].sum() == pytest.approx(1.0)
    parts = of["contribution"].group_by("user_id").agg(pl.col("value").sum()).sort("user_id")
    assert parts["value"].to_list() == pytest.approx(of["lead"].sort("user_id")["value"].to_list())

    shown = table(played[0], "impressions").filter(pl.col("ds") < ds)
    credits = table(played[0], "credits").group_by("impression_id").agg(pl.col("credit").sum())
    rewarded = shown.join(credits, on="impression_id", how="left").with_columns(pl.col("credit").fill_null(0))
    choice = pl.col("eligible_arms").is_null() | (pl.col("eligible_arms").list.len() > 1)
    weight = pl.when(choice).then(1 / pl.col("propensity")).otherwise(0.0)
    by_arm = rewarded.group_by("arm_id").agg(
        pl.len().alias("n"),
        pl.col("credit").mean().alias("naive"),
        ((weight * pl.col("credit")).sum() / weight.sum()).alias("corrected"),
    )
    both = of["naive_response"].join(by_arm, on="arm_id", suffix="_expected")
    assert both["n"].to_list() == both["n_expected"].to_list()
    assert both["value"].to_list() == pytest.approx(both["naive"].to_list())
    both = of["response"].join(by_arm, on="arm_id", suffix="_expected")
    assert both["value"].to_list() == pytest.approx(both["corrected"].to_list())
    assert (of["exploration"]["value"] == 0).all()  # nothing was known yet, so that no arm was better


def test_models_that_look_at_what_the_program_has_no_more_judge_nothing(
    played: Played, shop: Program
) -> None:
    ds, context = shop.start_date + timedelta(days=DAYS - 1), shop.logs.context
    without = tuple(column for column in context if column.name != "gender")
    fewer = shop.model_copy(update={"logs": shop.logs.model_copy(update={"context": without})})
    now, then = (Night(program, ds, played[0]).of_issue("all") for program in (fewer, shop))
    expected = {shop.start_date + timedelta(days=day) for day in range(1, DAYS)}
    assert set(models_by_day(then, then.table("models"), "shared")) == expected
    assert not models_by_day(now, then.table("models"), "shared")
