"""Nights that learn what a treatment does to each user, and score the users of the day by it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from mlflow.artifacts import download_artifacts
from pyspark.sql import SparkSession

from nightslate.core.hashing import mix, seed, uniform
from nightslate.engines.spark import SparkEngine
from nightslate.errors import ModelError
from nightslate.models.effect_files import effects_with
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import pseudonym

from . import rollout

USERS = tuple(f"user-{number:04d}" for number in range(900))
MODELS = {
    "linear": {"kind": "linear", "ridge": 20.0},
    "estimator": {"kind": "estimator", "estimator": "ridge", "parameters": {"alpha": 20.0}},
}
SCORED = 2
"""The night by which two days of everybody are over."""


def land(home: Path, number: int) -> None:
    """The logs of a day. On the first that users are in variants of, buyers are told by a hash: half of them
    without the treatment, which takes 40 points off that in the south, and in the north adds as many."""
    people = rollout.people(USERS)
    rollout.land(home, number, USERS)
    if number != 1:
        return
    variant = dict(rollout.rows(home, "assignments").select("user_id", "variant").iter_rows())
    draws = uniform(mix(np.array([seed("buys", user) for user in USERS], dtype=np.uint64), 1))
    done = [
        {"outcome_id": user, "user_id": user, "occurred_at": "2024-03-02T12:00:00+00:00", "kind": "purchase"}
        for user, region, draw in zip(USERS, people["region"].to_pylist(), draws, strict=True)
        for moved in (0.4 if region == "north" else -0.4,)
        if draw < 0.5 + (moved if variant[pseudonym(user)] == "treatment" else 0.0)
    ]
    folder = home / "landing" / rollout.PROGRAM / "outcomes" / f"ds={rollout.START + timedelta(days=1)}"
    for file in folder.glob("*.*"):
        file.unlink()
    (folder / "part-0.jsonl").write_text("".join(json.dumps({**row, "value": 1.0}) + "\n" for row in done))


def night(home: Path, number: int, models: dict[str, Any] = MODELS) -> IssueNight:
    score = {"benefit": "bought", "harm": "trouble", "weight": 0.5, "caution": 0.5}
    first = "linear" if "linear" in models else "deaf"
    return rollout.night(home, number, score={**score, "first": first, "models": models})


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The warehouse, and what the step said on each night."""
    home, said = tmp_path_factory.mktemp("effects"), []
    for number in range(SCORED + 1):
        land(home, number)
        tonight = night(home, number)
        run_step("ingest", tonight)
        said.append(run_step("effects", tonight))
        for step in ("allocate", "assign"):
            run_step(step, tonight)
    return home, said


def told(home: Path, number: int) -> pl.DataFrame:
    """The rows of the models of a night."""
    day = rollout.START + timedelta(days=number)
    return rollout.rows(home, "effect_models").filter(pl.col("ds") == day).sort("model")


def test_before_enough_users_are_through_there_are_no_scores(played: tuple[Path, list[str]]) -> None:
    home, said = played
    for number in range(SCORED):
        assert said[number].startswith("no scores of 2024-03-0")
        assert "it takes 100 users" in said[number]
        assert "0 of control, 0 of treatment; shares are those of everyone" in said[number]
        rows = told(home, number)
        assert rows["digest"].null_count() == rows["value"].null_count() == len(MODELS)
        assert rows.filter(pl.col("leads"))["model"].to_list() == ["linear"]
    assert rollout.rows(home, "scores")["slate_date"].min() == rollout.START + timedelta(days=SCORED + 1)


def test_users_are_scored_by_what_the_treatment_did_to_users_like_them(
    played: tuple[Path, list[str]],
) -> None:
    home, said = played
    assert said[SCORED].startswith("900 scores of 2024-03-04; 2 models of effects on ")
    people = rollout.people(USERS)
    names = pl.DataFrame({"user_id": [pseudonym(user) for user in USERS], "region": people["region"]})
    scores = rollout.rows(home, "scores").join(names, on="user_id")
    assert scores.height == scores["user_id"].n_unique() == len(USERS)
    by_region = dict(scores.group_by("region").agg(pl.col("benefit").mean()).iter_rows())
    assert by_region["north"] == pytest.approx(0.4, abs=0.1)
    assert by_region["south"] == pytest.approx(-0.4, abs=0.1)
    expected = scores["benefit"] - 0.5 * np.hypot(scores["benefit_stderr"], 0.5 * scores["harm_stderr"])
    np.testing.assert_allclose(scores["score"], expected)
    assert scores["benefit_stderr"].min() > 0.01


def test_models_say_how_they_do_by_users_whom_they_have_not_seen(played: tuple[Path, list[str]]) -> None:
    """Shares move by 0.3 towards who gains 0.4, and away from who loses as much."""
    rows = told(played[0], SCORED)
    for row in rows.to_dicts():
        assert row["users"] == len(USERS)
        assert row["slope"] == pytest.approx(1.0, abs=0.25)
        assert row["autoc"] > 5 * row["autoc_stderr"] > 0
        assert abs(row["effect"]) < 4 * row["effect_stderr"]
        assert row["value"] == pytest.approx(0.12, abs=0.03)
        assert 0 < row["anytime_lower"] < row["value"] < row["anytime_upper"]
    leads = rows.filter(pl.col("leads"))
    assert leads["model"].to_list() == ["linear"]
    assert leads["above_leader"].to_list() == [0.0]


def test_the_file_of_a_model_is_found_by_its_digest_and_says_what_moves_a_user(
    played: tuple[Path, list[str]],
) -> None:
    home, tonight = played[0], night(played[0], SCORED)
    by_name = {row["model"]: row["digest"] for row in told(home, SCORED).to_dicts()}
    user = rollout.people(USERS[:1])
    scores = rollout.rows(home, "scores").filter(pl.col("user_id") == pseudonym(USERS[0]))
    linear = effects_with(tonight.mlflow, rollout.PROGRAM, by_name["linear"])
    assert linear.digest == by_name["linear"]
    assert linear.model.effects(linear.encoder(user)).mean[0, 0, 0] == pytest.approx(scores["benefit"].item())
    found = linear.contributions(linear.encoder(user)[0])
    assert (found[0].variant, found[0].metric, found[0].feature) == ("treatment", "bought", "region")
    assert abs(found[0].value) > 0.2
    estimator = effects_with(tonight.mlflow, rollout.PROGRAM, by_name["estimator"])
    assert estimator.contributions(estimator.encoder(user)[0]) == []
    with pytest.raises(ModelError, match=r"no model of effects of checkout with digest 00: run the step"):
        effects_with(tonight.mlflow, rollout.PROGRAM, "00")


def test_the_night_s_page_says_what_moves_users_to_either_side(played: tuple[Path, list[str]]) -> None:
    """What each of them is told by --explain, as a mean."""
    home, tonight = played[0], night(played[0], SCORED)
    run_step("rollout_report", tonight)
    found = rollout.rows(home, "score_contributions")
    digest = told(home, SCORED).filter(model="linear")["digest"].item()
    linear = effects_with(tonight.mlflow, rollout.PROGRAM, digest)
    people = rollout.people(USERS)
    user_of = {pseudonym(user): place for place, user in enumerate(USERS)}
    assigned = rollout.rows(home, "assignments").filter(slate_date=tonight.slate_date)
    added: dict[tuple[str, str], list[float]] = {}
    for user, shares in assigned.select("user_id", "shares").iter_rows():
        row = people.slice(user_of[user], 1)
        if row["beta"][0].as_py() == "no" and shares[1] != 0.5:
            towards = "control" if shares[1] < 0.5 else "treatment"
            for each in linear.contributions(linear.encoder(row)[0]):
                if each.metric == "bought":
                    added.setdefault((towards, each.feature), []).append(each.value)
    assert {(row["towards"], row["feature"]) for row in found.to_dicts()} == {*added}
    for row in found.to_dicts():
        mine = added[row["towards"], row["feature"]]
        assert row["users"] == len(mine) > 100
        assert row["benefit"] == pytest.approx(np.mean(mine), abs=1e-12)
        assert row["score"] == pytest.approx(row["benefit"] - 0.5 * row["harm"], abs=1e-12)
    of_region = dict(found.filter(feature="region").select("towards", "score").iter_rows())
    assert of_region["control"] < -0.2 < 0.2 < of_region["treatment"]
    page = tonight.warehouse.report(rollout.PROGRAM, tonight.ds).read_text("utf-8")
    assert "less treatment than everyone" in page
    assert "more treatment than everyone" in page


def test_the_night_s_run_has_figures_and_what_is_said_by_tenths(
    played: tuple[Path, list[str]], tmp_path: Path
) -> None:
    run = night(played[0], SCORED).run()
    assert run.run.data.metrics["effects.linear.value"] == pytest.approx(0.12, abs=0.03)
    source = f"{run.run.info.artifact_uri}/effects/reliability.json"
    tenths = json.loads(Path(download_artifacts(source, dst_path=str(tmp_path))).read_text())
    mine = [row for row in tenths if row["model"] == "linear"]
    assert sum(row["users"] for row in mine) == len(USERS)
    mine = [row for row in mine if row["users"] > 50]
    assert mine[0]["upper"] < 0 < mine[-1]["lower"]


def test_a_rerun_gives_the_same_rows_on_either_engine(
    played: tuple[Path, list[str]], spark: SparkSession
) -> None:
    home = played[0]

    def rows() -> list[pl.DataFrame]:
        scores = rollout.rows(home, "scores").sort("user_id")
        return [scores, rollout.rows(home, "effect_models").sort("ds", "model")]

    before = rows()
    run_step("effects", night(home, SCORED).on(SparkEngine(spark)))
    assert all(one.equals(other) for one, other in zip(before, rows(), strict=True))


def test_what_led_the_night_before_leads_until_another_is_surely_better(
    played: tuple[Path, list[str]],
) -> None:
    """A model that tells nobody apart is left at once; one that is as good as another stays."""
    home = played[0]
    deaf = {"deaf": {"kind": "linear", "ridge": 1e12}, **MODELS}
    said = run_step("effects", night(home, SCORED, deaf))
    assert "linear leads" in said  # as on the night before
    both = {"deaf": deaf["deaf"], "estimator": MODELS["estimator"]}
    said = run_step("effects", night(home, SCORED, both))
    assert "estimator leads from now on, no more deaf" in said
    rows = {row["model"]: row for row in told(home, SCORED).to_dicts()}
    assert rows["estimator"]["above_leader_lower"] > 0
    assert rows["estimator"]["leads"]
    run_step("effects", night(home, SCORED))
