"""The pages of a rollout's nights, and the shares of users that they go by, from the tables of the nights."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyspark.sql import SparkSession

from nightslate.engines import LocalEngine
from nightslate.engines.spark import SparkEngine
from nightslate.errors import ContractError
from nightslate.pipeline.running import run_step

from . import rollout
from .rollout import PROGRAM, START, USERS
from .test_dashboard import column, sections

STEPS = ("ingest", "readout", "allocate", "assign", "rollout_report")
OUTAGE = {"name": "outage", "severity": 3, "region": "north"}
NIGHTS = 3


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights: on the second scores are there, before the third a signal lands."""
    home, variants = tmp_path_factory.mktemp("rollout"), None
    for number in range(NIGHTS):
        rollout.land(home, number, variants=variants, signals=[OUTAGE] if number == 2 else ())
        tonight = rollout.night(home, number)
        if number:
            rollout.score(tonight, {user: (place % 7 - 3) / 10 for place, user in enumerate(USERS[:200])})
        for step in STEPS:
            run_step(step, tonight)
        found = rollout.assigned(home, number)
        variants = dict(found.select("raw", "variant").iter_rows())
    run_step("dashboard", rollout.night(home, NIGHTS - 1))
    return home


def shares(home: Path, number: int, variant: str = "treatment") -> pl.DataFrame:
    day = START + timedelta(days=number + 1)
    return rollout.rows(home, "rollout_shares").filter(slate_date=day, variant=variant)


@pytest.mark.parametrize("number", range(NIGHTS))
def test_shares_of_all_users_are_those_of_their_assignments(nights: Path, number: int) -> None:
    assigned, (row,) = rollout.assigned(nights, number), shares(nights, number).filter(part="all").to_dicts()
    share = np.array(assigned["shares"].to_list())[:, 1]
    assert row["users"] == len(USERS)
    assert row["drawn"] == (assigned["variant"] == "treatment").sum()
    assert row["share"] == pytest.approx(share.mean(), abs=1e-12)
    assert row["share_p90"] == pytest.approx(np.quantile(share, 0.9, method="inverted_cdf"), abs=0.0026)
    assert row["apart"] == (np.abs(share - 0.5) > 1e-9).sum()
    if number:
        before = rollout.assigned(nights, number - 1)["variant"]
        assert row["came"] == ((before != assigned["variant"]) & (before == "control")).sum()
        assert row["left"] == ((before != assigned["variant"]) & (before == "treatment")).sum()
        assert (row["scored"], row["below"]) == (200, sum(place % 7 < 3 for place in range(200)))


def test_users_are_told_apart_by_where_they_are_and_why_they_moved(nights: Path) -> None:
    found = shares(nights, 2)
    people = rollout.people()["region"].to_pylist()
    by_region = dict(
        found.filter(part="segment", segment="region").select("segment_value", "users").iter_rows()
    )
    assert by_region == {name: people.count(name) for name in rollout.REGIONS}
    causes = dict(found.filter(part="change").select("segment_value", "users").iter_rows())
    assert causes["signal"] == people.count("north")
    assert sum(causes.values()) == len(USERS)
    assert found.filter(part="change", segment_value="signal")["share"].to_list() == [0.0]


def test_the_page_of_the_night_says_what_the_signal_did_and_is_linked_to(nights: Path) -> None:
    tonight = rollout.night(nights, NIGHTS - 1)
    page = tonight.warehouse.report(PROGRAM, tonight.ds)
    html = page.read_text("utf-8")
    assert "in north nobody has treatment" in html
    assert '<a href="index.html">all nights</a>' in html
    assert not [user for user in USERS if user in html]
    tracked = tonight.run()
    assert not tracked.running
    assert page.as_uri() in tracked.run.data.tags["mlflow.note.content"]
    assert (
        tracked.run.data.metrics["rollout.treatment.users"]
        == shares(nights, 2).filter(part="all")["drawn"][0]
    )


def test_the_page_of_all_nights_has_each_and_the_cause_of_a_region(nights: Path) -> None:
    found = sections(nights, PROGRAM)
    assert [*found] == ["readouts", "rollouts", "nights"]
    assert column(found["nights"], "day") == [str(START + timedelta(days=number)) for number in range(NIGHTS)]
    assert column(found["nights"], "slates") == [len(USERS)] * NIGHTS
    assert all(second is not None for second in column(found["nights"], "assigned"))
    rows = found["rollouts"]
    segments, days, values = (column(rows, name) for name in ("segment", "day", "value"))
    newest = dict(zip(zip(segments, days, strict=True), values, strict=True))
    assert newest["region north", str(START + timedelta(days=2))] == 0


def test_a_page_written_again_on_either_engine_leaves_the_same_shares(
    nights: Path, spark: SparkSession
) -> None:
    before = shares(nights, 1).sort(pl.all().exclude("shares", "asked"))
    for engine in (LocalEngine(), SparkEngine(spark)):
        run_step("rollout_report", rollout.night(nights, 1).on(engine))
        assert shares(nights, 1).sort(pl.all().exclude("shares", "asked")).equals(before)


def test_without_assignments_there_is_no_page(tmp_path: Path) -> None:
    rollout.land(tmp_path, 0)
    with pytest.raises(ContractError, match="run `allocate` of 2024-03-01 first"):
        run_step("rollout_report", rollout.night(tmp_path))
