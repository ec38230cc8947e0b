"""Nights of an experiment whose shares follow what is known of each user."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightslate.errors import ContractError, SpecError
from nightslate.kernels import contextual_assignments
from nightslate.pipeline.running import run_step

from . import rollout
from .rollout import USERS

STEPS = ("ingest", "allocate", "assign")


def played(home: Path, number: int, **allocation: object) -> None:
    tonight = rollout.night(home, number, **allocation)
    for step in STEPS:
        run_step(step, tonight)


def share_of(frame: pl.DataFrame) -> np.ndarray:
    """Of the treatment, by row."""
    return np.array(frame["shares"].to_list())[:, 1]


def test_everyone_of_the_day_is_assigned_with_the_declared_share(tmp_path: Path) -> None:
    rollout.land(tmp_path, 0)
    played(tmp_path, 0)
    found = rollout.assigned(tmp_path, 0)
    beta = np.array(rollout.people()["beta"].to_pylist()) == "yes"
    assert found["raw"].to_list() == list(USERS)
    np.testing.assert_allclose(share_of(found), np.where(beta, 0.95, 0.5))
    treated = (found["variant"] == "treatment").to_numpy()
    assert abs(treated[~beta].mean() - 0.5) < 0.12
    chance = np.where(treated, share_of(found), 1 - share_of(found))
    np.testing.assert_allclose(found["probability"].to_numpy(), chance)
    assert (found["path_probability"] == found["probability"]).all()


def test_scores_move_shares_within_the_range_and_few_users(tmp_path: Path) -> None:
    for number in (0, 1):
        rollout.land(tmp_path, number)
    played(tmp_path, 0)
    plain = [place for place, beta in enumerate(rollout.people()["beta"].to_pylist()) if beta == "no"][:4]
    some = dict(zip([USERS[place] for place in plain], (-5.0, 5.0, 0.1, 0.04), strict=True))
    rollout.score(rollout.night(tmp_path, 1), some)
    played(tmp_path, 1)
    first, second = rollout.assigned(tmp_path, 0), rollout.assigned(tmp_path, 1)
    np.testing.assert_allclose(share_of(second)[plain], [0.2, 0.8, 0.6, 0.5])
    stays = (first["variant"] == second["variant"]).to_numpy()
    others = [place for place in range(len(USERS)) if place not in plain]
    assert stays[others].all()  # their shares are what they were
    kept = second.filter(pl.Series(stays))
    assert (kept["since"] == rollout.START + timedelta(days=1)).all()
    expected = first["path_probability"] * second["probability"]
    np.testing.assert_allclose(second["path_probability"].to_numpy(), expected.to_numpy())


def test_a_signal_stops_the_treatment_in_its_region_and_it_comes_back_by_the_range(tmp_path: Path) -> None:
    outage = {"name": "outage", "severity": 3, "region": "north"}
    for number in range(4):
        rollout.land(tmp_path, number, signals=[outage] if number == 1 else ())
        played(tmp_path, number)
    north = np.array(rollout.people()["region"].to_pylist()) == "north"
    beta = np.array(rollout.people()["beta"].to_pylist()) == "yes"
    by_night = [rollout.assigned(tmp_path, number) for number in range(4)]
    stopped = by_night[1]
    assert (stopped["variant"].to_numpy()[north] == "control").all()
    assert (share_of(stopped)[north] == 0).all()
    assert (stopped["variant"] == by_night[0]["variant"]).to_numpy()[~north].all()
    back = [share_of(each)[north & ~beta][0] for each in by_night]
    np.testing.assert_allclose(back, [0.5, 0.0, 0.3, 0.5])
    regional = rollout.rows(tmp_path, "rollouts").filter(pl.col("region") == "north")
    assert set(regional["signal"]) == {"stop"}
    assert regional["signals"].to_list() == [["outage"]] * 2


def test_what_somebody_stopped_has_no_user_from_the_next_night_on(tmp_path: Path) -> None:
    for number in (0, 1):
        rollout.land(tmp_path, number)
    played(tmp_path, 0)
    tonight = rollout.night(tmp_path, 1)
    table = tonight.table("stops")
    decided = datetime(2024, 3, 2, 9, tzinfo=UTC)
    why = {"stopped": True, "decided_by": "anna", "reason": "payments fail"}
    row = {"issue": "all", "experiment": tonight.issue.salt, "variant": None, "decided_at": decided, **why}
    table.replace(decided.date(), table.typed([row]), {})
    played(tmp_path, 1)
    assert (rollout.assigned(tmp_path, 1)["variant"] == "control").all()
    recorded = rollout.rows(tmp_path, "rollouts").filter(
        (pl.col("variant") == "treatment") & (pl.col("before") == 0.5)
    )
    assert recorded["share"].to_list() == [0.0]
    assert recorded["cause"].to_list() == ["stop"]
    assert "anna" in recorded["reason"][0]
    assert "payments fail" in recorded["reason"][0]


def test_a_night_that_runs_again_assigns_the_same_and_moves_no_other_day(tmp_path: Path) -> None:
    for number in range(3):
        rollout.land(tmp_path, number)
        played(tmp_path, number)
    before = rollout.rows(tmp_path, "assignments").sort("slate_date", "user_id")
    played(tmp_path, 1)
    assert rollout.rows(tmp_path, "assignments").sort("slate_date", "user_id").equals(before)


def test_who_is_not_there_today_keeps_the_variant_and_who_is_new_is_drawn(tmp_path: Path) -> None:
    rollout.land(tmp_path, 0, USERS[:200])
    rollout.land(tmp_path, 1, USERS[100:])
    played(tmp_path, 0)
    played(tmp_path, 1)
    first, second = rollout.assigned(tmp_path, 0), rollout.assigned(tmp_path, 1)
    assert first.height == 200
    assert second.height == len(USERS)
    assert (first["variant"] == second["variant"][:200]).all()
    assert (second["since"][200:] == rollout.START + timedelta(days=2)).all()


def test_a_ramp_goes_on_as_declared_and_says_so(tmp_path: Path) -> None:
    ramp = {"steps": [{"share": 0.1, "days": 1}, {"share": 0.3}]}
    for number in range(3):
        rollout.land(tmp_path, number)
        played(tmp_path, number, ramp=ramp)
    recorded = rollout.rows(tmp_path, "rollouts").filter(variant="treatment").sort("slate_date")
    assert recorded["share"].to_list() == [0.1, 0.3, 0.3]
    assert recorded["phase"].to_list() == ["running", "running", "done"]
    assert recorded["reason"][1] == "went on to step 2 of 2 (30 %)"


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("contextual_shares", "a share is not the one of the user's score"),
        ("sticky_probabilities", "a probability is not the one of the shares"),
        ("drawn", "a user is in another variant than was drawn"),
    ],
)
def test_what_was_computed_wrong_is_found_and_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, fault: str
) -> None:
    rollout.land(tmp_path, 0)
    monkeypatch.setattr(contextual_assignments, wrong, _turned(getattr(contextual_assignments, wrong)))
    tonight = rollout.night(tmp_path)
    run_step("ingest", tonight)
    run_step("allocate", tonight)
    with pytest.raises(ContractError, match=fault):
        run_step("assign", tonight)
    assert not tonight.table("assignments").snapshot().days()


def _turned(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """With treatment and control the wrong way round, a little."""

    def wrong(*arguments: object) -> np.ndarray:
        right = function(*arguments)
        if right.ndim == 1:
            return 1 - right
        return right + np.array([0.01, -0.01])

    return wrong


def test_experiments_of_a_layer_share_no_user_and_all_users_are_in_one(tmp_path: Path) -> None:
    parts = {"checkout": [0.0, 0.4], "other": [0.4, 1.0]}
    found = dict[str, set[str]]()
    for salt in parts:
        home = tmp_path / salt
        home.mkdir()
        rollout.land(home, 0)
        tonight = rollout.night(home, salt=salt, layer={"salt": "layer", "parts": parts})
        for step in STEPS:
            run_step(step, tonight)
        found[salt] = {*rollout.assigned(home, 0)["raw"]}
    assert found["checkout"].isdisjoint(found["other"])
    assert found["checkout"] | found["other"] == {*USERS}
    assert 0.3 < len(found["checkout"]) / len(USERS) < 0.5


def test_another_variant_needs_another_salt(tmp_path: Path) -> None:
    for number in (0, 1):
        rollout.land(tmp_path, number)
    played(tmp_path, 0)
    tonight = rollout.night(tmp_path, 1)
    third = {**tonight.issue.variants, "more": tonight.issue.variants["control"]}
    changed = tonight.issue.model_copy(update={"variants": third})
    program = tonight.program.model_copy(update={"issues": {"all": changed}})
    run_step("ingest", tonight)
    with pytest.raises(SpecError, match="begin another one with a `salt` of its own"):
        run_step("allocate", type(tonight)(program, tonight.ds, tmp_path, issue=changed))
