"""What lands of what users saw and did, and of what happens outside."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from nightslate.errors import SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.rollout_allocation.app import NOBODY, TREATMENT, VARIANTS, PublishedAssignments
from nightslate.worlds.rollout_allocation.landing import Landing
from nightslate.worlds.rollout_allocation.population import Day, Population
from nightslate.worlds.rollout_allocation.world import REGIONS, World

FIRST, USERS, DAYS = date(2026, 3, 2), 1200, 14
PSEUDONYMISE = Pseudonymiser(b"a key of the tests alone", "1")
Log = Callable[[str], pl.DataFrame]


def published(world: World, day: int, variants: tuple[str, ...] = VARIANTS) -> pa.Table:
    """Assignments of all who were there the day before, every third of them to the treatment."""
    users = PSEUDONYMISE(pa.array(world.people.ids)).to_pylist()
    rows = [
        {
            "slate_date": FIRST + timedelta(days=day),
            "user_id": users[place],
            "variant": variants[int(place % 3 == 0)],
            "probability": 0.25 if place % 3 == 0 else 0.75,
            "shares": [0.75, 0.25],
        }
        for place in np.flatnonzero(world.people.joins < day)
    ]
    return pa.Table.from_pylist(rows)


def assigns(world: World, folder: Path) -> PublishedAssignments:
    return PublishedAssignments(world, FIRST, folder, PSEUDONYMISE)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Day], Log]:
    home, world, days = tmp_path_factory.mktemp("app"), World(USERS, 1), list[Day]()
    population, landing = (
        Population(world, assigns(world, home / "assignments")),
        Landing(world, home / "logs", FIRST),
    )
    for number in range(DAYS):
        if number:
            write_deltalake(
                home / "assignments", published(world, number), partition_by=["slate_date"], mode="append"
            )
        days.append(population.play(number))
        landing.land(days[-1])

    def log(name: str) -> pl.DataFrame:
        parts = [
            pl.from_arrow(
                pq.ParquetFile(home / "logs" / name / f"ds={FIRST + timedelta(days=n)}/part-0.parquet").read()
            ).with_columns(ds=pl.lit(FIRST + timedelta(days=n)))  # type: ignore[union-attr]
            for n in range(DAYS)
        ]
        return pl.concat(parts, how="vertical_relaxed")

    return world, days, log


def test_impressions_are_of_the_variant_with_the_probability_that_is_published(
    played: tuple[World, list[Day], Log],
) -> None:
    world, days, log = played
    shown = log("impressions")
    assert len(shown) == sum(day.logged.sum() for day in days) < sum(len(day.place) for day in days)
    assert (shown["occurred_at"].dt.date() == shown["ds"]).all()
    assert shown["impression_id"].is_unique().all()
    number = shown["user_id"].str.strip_prefix("user-").cast(int).to_numpy()
    day = (shown["ds"] - FIRST).dt.total_days().to_numpy()
    known, treated = world.people.joins[number] < day, number % 3 == 0
    assert 0 < (~known).sum() < 0.5 * len(shown)
    assert shown.filter(~pl.Series(known))["variant"].null_count() == (~known).sum()
    assert (shown.filter(~pl.Series(known))["arm_id"] == "control").all()
    np.testing.assert_array_equal(shown["propensity"], np.where(known, np.where(treated, 0.25, 0.75), 1.0))
    expected = np.where(known & treated, "treatment", "control")
    np.testing.assert_array_equal(shown["arm_id"], expected)
    np.testing.assert_array_equal(shown.filter(pl.Series(known))["variant"], expected[known])


def test_the_app_says_where_all_are_and_who_agrees_to_its_use(played: tuple[World, list[Day], Log]) -> None:
    world, _, log = played
    for name in ("users", "impressions"):
        rows = log(name)
        number = rows["user_id"].str.strip_prefix("user-").cast(int).to_numpy()
        np.testing.assert_array_equal(rows["consent_location"], world.people.located[number])
        assert rows["region"].null_count() == 0
    assert 0.01 < 1 - world.people.located.mean() < 0.06


def test_outcomes_land_on_the_day_that_they_happen_whether_or_not_the_impression_did(
    played: tuple[World, list[Day], Log],
) -> None:
    _, days, log = played
    outcomes = log("outcomes")
    assert (outcomes["occurred_at"].dt.date() == outcomes["ds"]).all()
    assert outcomes["outcome_id"].is_unique().all()
    for kind in ("purchase", "trouble"):
        due = sum(
            (day.happened[kind] & (day.day * 86_400 + day.at + day.delays[kind] < DAYS * 86_400)).sum()
            for day in days
        )
        assert len(outcomes.filter(kind=kind)) == due > 0
    visits = {each.split("-", 1)[1] for each in outcomes["outcome_id"]}
    assert visits - {*log("impressions")["impression_id"]}


def test_activity_is_each_visit_with_errors_and_slow_pages_by_what_users_meet(
    played: tuple[World, list[Day], Log],
) -> None:
    world, days, log = played
    activity = log("activity")
    assert len(activity.unique()) == len(activity)
    assert len(activity.filter(kind="visit")) == sum(len(day.place) for day in days)
    for kind, mean in (("error", world.errors_of_visit), ("slow_page", world.slow_pages_of_visit)):
        expected = sum(np.minimum(mean(day.morning)[day.place], 8.0).sum() for day in days)
        found = len(activity.filter(kind=kind))
        assert found == pytest.approx(expected, abs=5 * np.sqrt(expected))
    users = log("users")
    assert [len(users.filter(ds=FIRST + timedelta(days=n))) for n in range(DAYS)] == [
        day.morning.present.sum() for day in days
    ]


def test_signals_land_on_the_day_that_they_are_announced(played: tuple[World, list[Day], Log]) -> None:
    world, _, log = played
    signals = log("signals").to_dicts()
    expected = [each for each in world.incidents.begun(DAYS) if each.announced < DAYS]
    assert len(expected) >= 1
    for row, incident in zip(signals, expected, strict=True):
        assert row["name"] == "payment_incident"
        assert row["region"] == REGIONS[incident.region]
        assert row["severity"] == incident.severity
        assert row["ds"] == FIRST + timedelta(days=incident.announced)
        assert row["starts_at"].date() == FIRST + timedelta(days=incident.begins)
        assert row["expires_at"].date() == FIRST + timedelta(days=incident.ends)


def test_who_is_in_no_table_sees_the_control_and_is_in_no_experiment(tmp_path: Path) -> None:
    world = World(100, 1)
    found = assigns(world, tmp_path / "none")(3)
    assert (found.variant == NOBODY).all()
    assert not found.treated.any()
    write_deltalake(tmp_path / "some", published(world, 3), partition_by=["slate_date"])
    found = assigns(world, tmp_path / "some")(3)
    joined = world.people.joins < 3
    np.testing.assert_array_equal(found.known, joined)
    np.testing.assert_array_equal(found.treated, joined & (np.arange(100) % 3 == 0))
    np.testing.assert_array_equal(found.shares[joined, TREATMENT], 0.25)
    assert (assigns(world, tmp_path / "some")(4).variant == NOBODY).all()


def test_a_variant_without_a_checkout_is_an_error(tmp_path: Path) -> None:
    world = World(100, 1)
    write_deltalake(tmp_path / "other", published(world, 3, ("control", "dark")), partition_by=["slate_date"])
    with pytest.raises(SpecError, match="none for 'dark'"):
        assigns(world, tmp_path / "other")(3)
