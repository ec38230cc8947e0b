"""A program that helps those who are likely to leave: nights through every step."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nightslate import programs
from nightslate.errors import ContractError
from nightslate.models.files import ModelFile
from nightslate.pipeline.plan import plan
from nightslate.pipeline.running import run_step, run_task
from tests.integration.nights import Declared

from . import world

PROGRAM = "leavers"
DAYS = [date(2024, 7, 1) + timedelta(days=number) for number in range(6)]
USERS = 120

SPEC = f"""
program: {PROGRAM}
description: Help for those who are likely to cancel.
start_date: 2024-07-01
buckets: 2
slots: 1
depth: 2
floor: 0.3
logs:
  propensity: conditional
  context: [{{name: segment, type: category}}]
  activity: {{columns: [], kinds: [error]}}
features:
  errors: {{aggregation: count, where: {{kind: error}}, window: 1d}}
detectors:
  leaving: {{of: cancellation, within: 1d, window_days: 3}}
concerns: leaving >= 0.3
learners: {{uniform: {{kind: uniform}}, popularity: {{kind: popularity}}}}
variants: {{everyone: {{share: 1.0, policy: uniform}}}}
rewards: {{values: {{renewal: 1.0}}, window: 6h}}
evaluation: {{folds: 2, resamples: 100, reward_range: [0.0, 1.0]}}
gate: {{first_champion: uniform, min_ess: 10.0, min_users: 2}}
"""
ARMS = ("help", "nothing")


def land(home: Path, number: int) -> None:
    """Every third user has errors, and most of these cancel on the next day."""
    day, random = DAYS[number], np.random.default_rng(number)
    noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    shown: list[dict[str, Any]] = []
    done, active = [], []
    for user in range(USERS):
        row = {"user_id": f"user-{user}", "occurred_at": (noon + timedelta(minutes=user)).isoformat()}
        of_user = {"impression_id": f"{day}-{user}", "decision_id": f"{day}-{user}", "slot": 1}
        of_user |= {"arm_id": str(random.choice(ARMS)), "propensity": 0.5, "segment": "any"}
        shown.append({**row, **of_user})
        if user % 3 == 0:
            active.append({**row, "kind": "error"})
            if number and random.random() < 0.7:
                done.append({**row, "outcome_id": f"{day}-{user}", "kind": "cancellation", "value": 1.0})
    people = [{"user_id": f"user-{user}", "segment": "any"} for user in range(USERS)]
    logs = {"impressions": shown, "outcomes": done, "users": people, "activity": active}
    logs["arms"] = [{"arm_id": arm} for arm in ARMS]
    world.land_logs(home, PROGRAM, day, logs)


DECLARED = Declared(PROGRAM, DAYS)
night, rows = DECLARED.night, DECLARED.rows


def run(home: Path, number: int, until: str = "publish") -> dict[str, str]:
    """What each step of a night up to one of them says."""
    said = {}
    for task in plan(programs.find(PROGRAM)):
        said[task.name] = run_task(task, night(home, number))
        if task.name == until:
            break
    return said


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    home = tmp_path_factory.mktemp("detectors")
    DECLARED.write(SPEC)
    for number in range(len(DAYS)):
        land(home, number)
    return home


def test_as_long_as_nothing_is_known_nobody_is_concerned(home: Path) -> None:
    said = run(home, 0)
    assert "leaving: WARNING: can't be fitted on 0 users of days" in said["detect"]
    assert said["publish"].startswith("0 slates")


def test_a_night_helps_those_who_are_likely_to_leave(home: Path) -> None:
    """Errors foretell it; the threshold is the program's."""
    said = run(home, 5)
    assert "leaving: 360 users of days, " in said["detect"]
    assert "cancellation followed within 24 hours; on later days AUC " in said["detect"]
    risks = rows(home, "risks").filter(ds=DAYS[5])
    troubled = rows(home, "features").filter(ds=DAYS[5])["user_id"]
    assert risks["detector"].unique().to_list() == ["leaving"]
    assert risks["user_id"].n_unique() == risks.height == USERS
    assert set(risks.filter(pl.col("risk") >= 0.3)["user_id"]) == set(troubled)
    assert risks.filter(pl.col("risk") >= 0.3)["risk"].mean() == pytest.approx(0.7, abs=0.15)
    slates = rows(home, "slates").filter(slate_date=DAYS[5] + timedelta(days=1))
    assert set(slates["user_id"]) == set(troubled)
    assert slates.height == USERS // 3


def test_the_model_of_a_detector_is_kept_under_its_digest(home: Path) -> None:
    models = list((home / "detectors" / PROGRAM / "leaving").iterdir())
    assert len(models) == 1
    loaded = ModelFile.load(models[0], models[0].name)
    assert (loaded.learner, loaded.arms) == ("leaving", ("leaving",))


def test_nothing_that_comes_later_has_a_say_and_neither_has_the_order_of_nights(
    home: Path, tmp_path: Path
) -> None:
    """A night that runs first takes in the days that it learns from, and what landed after it is not looked
    at, nor what nights of later days have left."""
    for number in range(5):
        land(tmp_path, number)
    run(tmp_path, 4, until="detect")
    alone = rows(tmp_path, "risks").filter(ds=DAYS[4]).sort("user_id")
    run(home, 4, until="detect")
    assert rows(home, "risks").filter(ds=DAYS[4]).sort("user_id").equals(alone)
    assert alone.height == USERS


def test_nobody_is_scored_before_risks_are_known(home: Path) -> None:
    run(home, 3, until="train")
    table = night(home, 2)
    for step in ("ingest", "attribute", "features", "train"):
        run_step(step, table)
    with pytest.raises(ContractError, match=r"no risks of users of 2024-07-03 yet: run the step `detect`"):
        run_step("score", table)
