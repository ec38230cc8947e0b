"""Nights that judge the help of learners against the arm that does nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of

from . import world

pytestmark = pytest.mark.e2e

NOTHING = "a"
DAYS = [world.DAYS[0] + timedelta(days=number) for number in range(10)]
LAST = DAYS[-1]
COSTS = {"b": 0.1, "c": 0.2, "d": 0.2}
PURE = ("ingest", "attribute", "train", "evaluate")
SHOWN = 200


def program(**changed: Any) -> dict[str, Any]:
    """The program `tiny` with one slot, whose arm `a` does nothing."""
    spec = yaml.safe_load(world.SPEC)
    spec |= {"slots": 1, "floor": 0.4, "uplift": {"baseline": NOTHING}}
    spec["rewards"] = {"values": {"click": 1.0}, "window": "1d", "costs": COSTS}
    spec["evaluation"] = {"folds": 2, "resamples": 100, "window_days": 10}
    return spec | changed


def land(home: Path) -> None:
    """Help pays with those of the segment `new`, and does nothing for others; arms are shown at random."""
    for number, day in enumerate(DAYS):
        dice, midnight = np.random.default_rng(number), datetime.combine(day, datetime.min.time(), UTC)
        shown, clicks = [], []
        for row in range(SHOWN):
            user, arm = int(dice.integers(world.USERS)), world.ARMS[int(dice.integers(4))]
            pays = 0.2 + 0.6 * (arm != NOTHING and world.segment(user) == world.segment(0))
            at = midnight + row * timedelta(minutes=7)
            shown.append(
                {
                    "impression_id": f"{day}-{row}",
                    "decision_id": f"{day}-{row}",
                    "user_id": f"user-{user}",
                    "occurred_at": at,
                    "slot": 1,
                    "arm_id": arm,
                    "propensity": 0.25,
                    "segment": world.segment(user),
                    "age": 20.0 + user,
                }
            )
            if dice.uniform() < pays:
                clicks.append(
                    {
                        "outcome_id": f"click-{day}-{row}",
                        "user_id": f"user-{user}",
                        "occurred_at": at.isoformat(),
                        "kind": "click",
                        "value": 1.0,
                        "impression_id": f"{day}-{row}",
                    }
                )
        world.land(home, day, shown, clicks)


def night(home: Path, spec: dict[str, Any]) -> IssueNight:
    return night_of(spec, home, LAST)


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / "tiny" / table))


def run(home: Path, spec: dict[str, Any]) -> dict[str, str]:
    return {step: run_step(step, night(home, spec)) for step in PURE}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("uplift")
    land(found)
    run(found, program())
    return found


def test_those_who_gain_are_found_and_the_rest_cost(home: Path) -> None:
    found = rows(home, "uplift")
    assert found["learner"].unique().sort().to_list() == ["linear_thompson", "popularity"]
    assert set(found["estimand"]) == {"progressive"}
    mine = found.filter(learner="linear_thompson")
    autoc = mine.filter(figure="autoc").row(0, named=True)
    assert 0 < autoc["lower"] < autoc["value"] < autoc["upper"]
    deciles = mine.filter(figure="decile").sort("at")
    assert deciles["at"].to_list() == pytest.approx([each / 10 for each in range(1, 11)])
    first, last = deciles.row(0, named=True), deciles.row(-1, named=True)
    assert first["lower"] > 0 > last["value"]  # 0.6 less costs, and costs alone
    assert first["lower"] < 0.6 - 0.15 < first["upper"]
    mean = mine.filter(figure="mean")["value"][0]
    assert deciles["value"].mean() == pytest.approx(mean)
    curve = mine.filter(figure="cost_curve").sort("at")
    assert curve["spent"].is_sorted()
    assert 0.1 < curve["spent"][-1] < 0.2
    assert curve["value"][-1] - curve["spent"][-1] == pytest.approx(mean)
    assert curve["value"][9] > curve["value"][-1] / 2
    flat = found.filter(learner="popularity", figure="autoc").row(0, named=True)
    assert flat["value"] == pytest.approx(0, abs=0.2)  # it ranks nobody but by the day's models


def test_a_night_without_the_key_is_as_it_was(home: Path, tmp_path: Path) -> None:
    spec = program()
    del spec["uplift"]
    land(tmp_path)
    run(tmp_path, spec)
    assert not (tmp_path / "tables" / "tiny" / "uplift").exists()
    for table in ("evaluations", "evidence"):
        one, other = (rows(each, table) for each in (home, tmp_path))
        assert sorted(one.to_dicts(), key=repr) == sorted(other.to_dicts(), key=repr)


def test_a_rerun_writes_the_same_rows(home: Path) -> None:
    before = rows(home, "uplift")
    run_step("evaluate", night(home, program()))
    after = rows(home, "uplift")
    assert sorted(before.to_dicts(), key=repr) == sorted(after.to_dicts(), key=repr)


def test_an_arm_that_nobody_has_seen_is_named(tmp_path: Path) -> None:
    land(tmp_path)
    said = run(tmp_path, program(uplift={"baseline": "noting"}))
    assert "uplift.baseline has 'noting'" in said["evaluate"]
    assert rows(tmp_path, "uplift").height == 0
