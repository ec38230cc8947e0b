"""Four days of a product whose users are helped, and their nights, with horizons of two days: what the engine
shows is what the nights published, and what nights learn from is what the world did."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nightslate.programs import Program
from nightslate.worlds.play import PSEUDONYMISE, Play
from nightslate.worlds.proactive_assistance.page import AssistanceResults
from nightslate.worlds.proactive_assistance.population import Day, Population
from nightslate.worlds.proactive_assistance.rec_engine import PublishedSlates
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.world import People, World

pytestmark = pytest.mark.e2e

NAME = "proactive_assistance"
USERS, SEED, DAYS, HORIZON = 1500, 1, 4, 2
Played = tuple[Path, AssistanceResults]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, assistance: Program) -> Iterator[Played]:
    home = tmp_path_factory.mktemp("assisted")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        report = Play(assistance, home, users=USERS, seed=SEED).run(DAYS, lambda *_: None)
        assert isinstance(report.results, AssistanceResults)
        yield home, report.results


@pytest.fixture(scope="module")
def again(played: Played, assistance: Program) -> list[tuple[Day, np.ndarray, People]]:
    """The days once more, by the slates that are there now; and whom the issues concern on the day after."""
    home, world = played[0], World(USERS, SEED)
    slates = home / "tables" / NAME / "slates"
    population = Population(world, assistance, PublishedSlates(world, assistance, slates, PSEUDONYMISE))
    found = []
    for number in range(DAYS):
        day, people = population.play(number), population.subscribers.people
        found.append((day, population.signs.concerned(people, number + 1), people))
    return found


def table(home: Path, name: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / NAME / name))


def test_nothing_that_lands_is_turned_away(played: Played) -> None:
    assert table(played[0], "quarantine").is_empty()
    assert set(table(played[0], "activity")["kind"]) == {
        "page_view", "error", "feature_use", "dialog_opened", "dialog_confirmed",
    }  # fmt: skip


def test_the_issues_of_each_user_are_those_that_the_world_says(
    played: Played, assistance: Program, again: list[tuple[Day, np.ndarray, People]]
) -> None:
    """But of those who may not be contacted."""
    choices, withheld = table(played[0], "issue_choices"), table(played[0], "withheld")
    for number, (_, concerned, people) in enumerate(again):
        tomorrow = assistance.start_date + timedelta(days=number + 1)
        users = np.array(PSEUDONYMISE(pa.array(people.ids)).to_pylist())
        mine = choices.filter(pl.col("slate_date") == tomorrow)
        kept_back = withheld.filter(pl.col("slate_date") == tomorrow, pl.col("reason") != "not_concerned")
        for place, issue in enumerate(ISSUES):
            there = mine.filter(pl.col("issues").list.contains(issue))["user_id"]
            assert set(there) == set(users[concerned[:, place]]) - set(kept_back["user_id"])
    assert set(choices["issue"]) == set(ISSUES)


def test_what_is_shown_is_the_first_arm_of_a_slate_or_help_by_chance_on_a_first_day(
    played: Played, assistance: Program
) -> None:
    impressions, slates = table(played[0], "impressions"), table(played[0], "slates")
    by_chance = impressions.filter(pl.col("slate_id").is_null())
    assert (by_chance["propensity"] == by_chance["issue_probability"] / 4).all()
    assert by_chance["ds"].min() == assistance.start_date
    shown = impressions.drop_nulls("slate_id").join(slates, on="slate_id", suffix="_slate")
    assert len(shown) == len(impressions) - len(by_chance) > 0
    assert (shown["arm_id"] == shown["ranking"].list.first()).all()
    arm = shown["propensities"].list.first()
    assert (shown["propensity"] / (arm * shown["issue_probability"]) - 1).abs().max() < 1e-12
    assert not slates.select("user_id", "slate_date").is_duplicated().any()
    assert (shown["issue"] == shown["issue_slate"]).all()
    assert "nothing" in set(shown["arm_id"])
    assert not impressions.select("user_id", "ds").is_duplicated().any()


def test_what_impressions_are_credited_with_is_what_happened_in_the_world(
    played: Played, assistance: Program, again: list[tuple[Day, np.ndarray, People]]
) -> None:
    """Of the horizons that are over: opened help, and staying or not for the first decision of a user."""
    credits = table(played[0], "credits").group_by("impression_id").agg(pl.col("credit").sum())
    got = dict(credits.iter_rows())
    for first in range(0, DAYS, HORIZON):
        days = [day for day, *_ in again[first : first + HORIZON]]
        left = {int(n) for day in days for n in day.morning.people.number[day.cancelled]}
        decided = set[tuple[int, int]]()
        for day in days:
            people = day.morning.people.take(day.decisions.place)
            for row, (user, number) in enumerate(zip(people.ids, people.number.tolist(), strict=True)):
                mine = (number, int(day.decisions.issue[row]))
                earned = 0.02 * day.opened[row]
                if mine not in decided:
                    earned += -1.0 if number in left else 1.0
                decided.add(mine)
                date = assistance.start_date + timedelta(days=day.day)
                assert got.get(f"{date}-{user}", 0.0) == pytest.approx(earned), ARMS[day.decisions.arm[row]]
    assert len(got) > 20


def test_figures_tell_issues_apart_and_know_the_truth_of_what_is_estimated(played: Played) -> None:
    results = played[1]
    assert {(row["ds"], row["issue"]) for row in results.looks} == {
        (day["day"], issue) for day in results.days for issue in ISSUES
    }
    estimated = [row for row in results.estimates if row["value"] is not None]
    assert {row["issue"] for row in estimated} == set(ISSUES)
    assert all(row["truth"] is not None for row in estimated)
    assert all(-1.3 < row["truth"] < 1.02 for row in estimated)
    held, judged = results.covered("truth", "cross_fitted")
    assert judged >= held > 0.5 * judged


def test_budgets_are_counted_by_night_and_kept(played: Played) -> None:
    results = played[1]
    assert len(results.budgets) == DAYS * len(ISSUES)
    for row in results.budgets:
        assert 0 <= row["drawn"] <= row["most"]
        assert abs(row["drawn"] - row["expected"]) < 1
    assert sum(row["drawn"] for row in results.budgets) > 0


def test_groups_meet_the_same_users(played: Played) -> None:
    results = played[1]
    assert [row["day"] for row in results.retention] == [row["day"] for row in results.days]
    for row in results.retention:
        assert all(0.5 < row[group] <= 1 for group in ("personalised", "chance", "rule", "best"))
    groups = {row["group"]: row for row in results.figures}
    assert groups["rule"]["discounts"] == groups["rule"]["helps"] > groups["personalised"]["discounts"]
