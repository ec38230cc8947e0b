"""Nights of an experiment one of whose variants is somebody else's to decide: users without slates, whose
impressions are nobody's to weigh."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from nightslate.errors import ContractError
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of, pseudonym

from . import world

DAY = world.DAYS[1]
NEXT = DAY + timedelta(days=1)
SHARES = {"personalised": 0.5, "randomised": 0.2, "theirs": 0.3}
POLICIES = {"personalised": "popularity", "randomised": "uniform", "theirs": "external"}
IDS = ("impression_id", "decision_id", "user_id")
OURS = {**POLICIES, "theirs": "uniform"}


def night(home: Path, policies: dict[str, str] = POLICIES, **changes: Any) -> IssueNight:
    """The second night of the tiny program."""
    variants = {name: {"share": share, "policy": policies[name]} for name, share in SHARES.items()}
    spec = yaml.safe_load(world.SPEC) | {"variants": variants, **changes}
    return night_of(spec, home, DAY)


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / world.PROGRAM / table))


def land(home: Path, their_rows: bool) -> None:
    """Two days of logs without arm d; with what somebody's rule shows to others, if it is asked for: always
    d, for sure."""
    for number, day in enumerate(world.DAYS[:2]):
        shown = [row for row in world.impressions(number, day) if row["arm_id"] != "d"]
        rule = {"arm_id": "d", "propensity": 1.0, "variant": "theirs"}
        theirs = [{**row, **rule, **{name: f"their-{row[name]}" for name in IDS}} for row in shown[:60]]
        world.land(home, day, [*shown, *(theirs if their_rows else ())], world.outcomes(number, day))


def scored(home: Path, tonight: IssueNight) -> None:
    for step in ("ingest", "attribute", "train", "score"):
        run_step(step, tonight)


FEW = {
    "budgets": [{"name": "few", "arms": ["a"], "most": 20.0}],
    "exposure": [{"name": "some", "arms": ["d"], "share": 0.2}],
}


@pytest.mark.parametrize("goals", [{}, FEW], ids=["alone", "with goals"])
def test_users_of_somebody_else_s_variant_are_assigned_and_get_no_slate(
    landed: Path, goals: dict[str, Any]
) -> None:
    tonight = night(landed, **goals, experiment={"start": NEXT + timedelta(days=9)})
    scored(landed, tonight)
    said = run_step("audit", tonight)
    run_step("publish", tonight)

    assigned = rows(landed, "assignments")
    others = set(assigned.filter(variant="theirs")["user_id"])
    slates = rows(landed, "slates")
    assert set(assigned["user_id"]) == {pseudonym(f"user-{user}") for user in range(world.USERS)}
    assert set(slates["user_id"]) == set(assigned["user_id"]) - others
    assert len(others) > 3
    joined = slates.join(assigned, on=["user_id", "slate_date"], suffix="_assigned")
    assert (joined["variant"] == joined["variant_assigned"]).all()
    assert f"{len(slates)} slates are sound" in said
    assert tonight.run().run.data.metrics["users.external"] == len(others)


def staged(tonight: IssueNight) -> pl.DataFrame:
    files = tonight.table("slates").staged(tonight.slate_date).data_files
    return pl.concat(pl.read_parquet(file.path, hive_partitioning=False) for file in files).sort("user_id")


def test_the_others_get_the_slates_of_a_night_without_such_a_variant_and_audit_knows_the_two_apart(
    landed: Path,
) -> None:
    scored(landed, night(landed))
    alone = staged(night(landed))
    with pytest.raises(ContractError, match="a user of the day has no slate"):
        run_step("audit", night(landed, OURS))

    run_step("score", night(landed, OURS))
    beside = staged(night(landed, OURS))
    of_theirs = beside.filter(variant="theirs")
    assert alone.equals(beside.filter(pl.col("variant") != "theirs"))
    message = f"a slate is for a user whom somebody else decides for: {len(of_theirs)} rows"
    with pytest.raises(ContractError, match=message):
        run_step("audit", night(landed))


@pytest.fixture(scope="module")
def evaluated(
    tmp_path_factory: pytest.TempPathFactory, program: None
) -> dict[bool, tuple[pl.DataFrame, int]]:
    """Evaluations, and the rows that taught, without and with the impressions of somebody else's rule."""
    found = {}
    evaluation = {"folds": 2, "resamples": 100, "estimators": ["ips", "snips", "dr"]}
    for their_rows in (False, True):
        home = tmp_path_factory.mktemp("theirs")
        land(home, their_rows)
        for step in ("ingest", "attribute", "train"):
            run_step(step, night(home))
        said = run_step("evaluate", night(home, evaluation=evaluation))
        assert "without those of theirs, for whom somebody else decides" in said
        found[their_rows] = rows(home, "evaluations"), rows(home, "models")["rows"].max()
    return found


def test_policies_are_weighed_as_if_nobody_else_had_decided_anything(
    evaluated: dict[bool, tuple[pl.DataFrame, int]],
) -> None:
    """Policies that have learnt are others with more rows; uniform, and what was logged, are the same."""
    chosen = pl.col("policy").is_in(["uniform", "logged"]) & pl.col("estimator").is_in(["ips", "snips"])
    both = chosen & (pl.col("reference").is_null() | pl.col("reference").is_in(["uniform", "logged"]))
    without, beside = (evaluated[each][0].filter(both) for each in (False, True))
    assert without.equals(beside)
    assert without["value"].null_count() < len(without)


def test_what_somebody_else_showed_teaches(evaluated: dict[bool, tuple[pl.DataFrame, int]]) -> None:
    assert evaluated[True][1] > evaluated[False][1]
