"""A program of two issues, with arms of their own and one that both have: nights through every step."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nightslate import programs
from nightslate.errors import SpecError
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.tables.inspection import problems
from tests.integration.nights import DOCS, Declared, run_night

from . import world
from .loaded_models import loaded

PROGRAM = "helpdesk"
DAYS = [date(2024, 5, 1) + timedelta(days=number) for number in range(3)]
USERS = 60
ARMS = {"discount": "pricing", "trial": "pricing", "call": "both", "tour": "usability", "tips": "usability"}
OFFERED = {"pricing": ("call", "discount", "trial"), "usability": ("call", "tips", "tour")}

SPEC = """
program: helpdesk
description: Help for two problems of a customer, each with arms, rewards and a gate of its own.
start_date: 2024-05-01
buckets: 2
slots: 1
depth: 3
floor: 0.3
logs:
  propensity: conditional
  context: [{name: segment, type: category}]
  arm_features: [{name: about, type: category}]
learners:
  uniform: {kind: uniform}
  popularity: {kind: popularity, prior_strength: 5.0}
variants:
  personalised: {share: 0.5, policy: popularity}
  randomised: {share: 0.5, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 3.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
issues:
  pricing:
    arms: {ids: [discount, trial, call]}
    rewards: {values: {renewal: 3.0}, window: 12h}
  usability:
    arms: {ids: [tour, tips, call]}
    rewards: {values: {solved: 1.0}, window: 6h}
    eligible: {segment: [new]}
    variants:
      everyone: {share: 1.0, policy: uniform}
"""


def land(home: Path, number: int, **changed: Any) -> None:
    """Each user sees an arm of each issue, and renews or solves a problem an hour later, by chance. What both
    issues have says which one it is shown for."""
    random, day = np.random.default_rng(number), DAYS[number]
    morning = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=6)
    shown: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    for user in range(USERS):
        for hours, (issue, arms) in enumerate(OFFERED.items()):
            arm, at = str(random.choice(arms)), morning + timedelta(minutes=user, hours=hours)
            name = f"{day}-{user}-{issue}"
            row = {"impression_id": name, "decision_id": name, "user_id": f"user-{user}", "slot": 1}
            row |= {"occurred_at": at.isoformat(), "arm_id": arm, "propensity": 1 / 3}
            shown.append(
                row | {"segment": segment(user), **({"issue": issue} if arm == "call" else {})} | changed
            )
            kind, chance = ("renewal", 0.6) if issue == "pricing" else ("solved", 0.3)
            if random.random() < chance:
                outcome = {
                    "outcome_id": f"{name}-{kind}",
                    "user_id": f"user-{user}",
                    "kind": kind,
                    "value": 1.0,
                }
                done.append(outcome | {"occurred_at": (at + timedelta(hours=1)).isoformat(), "arm_id": arm})
    people = [{"user_id": f"user-{user}", "segment": segment(user)} for user in range(USERS)]
    arms = [{"arm_id": arm, "about": about} for arm, about in ARMS.items()]
    logs = {"impressions": shown, "outcomes": done, "users": people, "arms": arms}
    world.land_logs(home, PROGRAM, day, logs)


def segment(user: int) -> str:
    return ("new", "old")[user % 2]


DECLARED = Declared(PROGRAM, DAYS)
night, rows = DECLARED.night, DECLARED.rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """After three nights."""
    home = tmp_path_factory.mktemp("issues")
    DECLARED.write(SPEC)
    for number in range(len(DAYS)):
        land(home, number)
        run_night(night(home, number), but=DOCS if number < len(DAYS) - 1 else ())
    return home


def test_every_impression_is_of_one_issue(home: Path) -> None:
    found = rows(home, "impressions")
    assert found.height == len(DAYS) * USERS * 2
    for issue, arms in OFFERED.items():
        of_issue = found.filter(pl.col("issue") == issue)
        assert of_issue.height == len(DAYS) * USERS
        assert set(of_issue["arm_id"]) == set(arms)
        assert of_issue["impression_id"].str.ends_with(issue).all()


def test_each_issue_credits_its_own_impressions_with_what_it_values(home: Path) -> None:
    issues = rows(home, "impressions").select("impression_id", "issue")
    credited = rows(home, "credits").join(issues, on="impression_id")
    assert credited.height == rows(home, "outcomes").height
    assert set(credited.select("kind", "issue").unique().rows()) == {
        ("renewal", "pricing"),
        ("solved", "usability"),
    }
    assert credited.filter(pl.col("issue") == "pricing")["credit"].unique().to_list() == [3.0]
    assert rows(home, "unattributed").is_empty()


def test_models_evaluations_and_promotions_are_of_one_issue_each(home: Path) -> None:
    for table in ("models", "evaluations", "promotions"):
        found = rows(home, table).select("ds", "issue").unique().sort("ds", "issue").rows()
        assert found == [(day, issue) for day in DAYS for issue in OFFERED]
    models = rows(home, "models").filter(pl.col("ds") == DAYS[-1], pl.col("learner") == "popularity")
    assert models["digest"].n_unique() == 2
    assert models["arms"].to_list() == [3, 3]
    values = rows(home, "evaluations").filter(
        pl.col("ds") == DAYS[-1], pl.col("reference").is_null(), estimand="cross_fitted", estimator="ips"
    )
    values = values.filter(policy="logged")
    worth = dict(values.select("issue", "value").rows())
    assert worth["pricing"] == pytest.approx(1.8, abs=0.3)
    assert worth["usability"] == pytest.approx(0.3, abs=0.1)


def test_slates_have_the_arms_the_users_and_the_variants_of_their_issue(home: Path) -> None:
    slates = rows(home, "slates").filter(pl.col("slate_date") == DAYS[-1] + timedelta(days=1))
    for issue, arms in OFFERED.items():
        of_issue = slates.filter(pl.col("issue") == issue)
        assert of_issue.height == (USERS if issue == "pricing" else USERS // 2)
        assert {arm for ranking in of_issue["ranking"] for arm in ranking} == set(arms)
    assert set(slates.filter(pl.col("issue") == "usability")["variant"]) == {"everyone"}
    both = slates.group_by("user_id").len()
    assert sorted(both["len"].unique().to_list()) == [1, 2]


def test_each_issue_has_a_served_model_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = rows(home, "users").filter(pl.col("ds") == DAYS[-1]).sort("user_id")
    asked = users.select("user_id", "segment", slate_date=pl.lit(str(DAYS[-1] + timedelta(days=1))))
    slates = rows(home, "slates").filter(pl.col("slate_date") == DAYS[-1] + timedelta(days=1))
    for issue, variant in {"pricing": "randomised", "usability": "everyone"}.items():
        model = loaded(home, monkeypatch, f"models:/{PROGRAM}.{issue}@champion")
        answers = {row["user_id"]: row for row in model.predict(asked.to_pandas())}
        assert list(answers) == users["user_id"].to_list()
        mine = slates.filter(pl.col("issue") == issue, pl.col("variant") == variant)
        assert mine.height > 20
        for slate in mine.with_columns(pl.col("slate_date").cast(str)).to_dicts():
            assert answers[slate["user_id"]] == slate
        without = {user for user, row in answers.items() if not row["ranking"]}
        not_for = set() if issue == "pricing" else {*users.filter(pl.col("segment") == "old")["user_id"]}
        assert without == not_for


def test_a_reader_sees_the_slates_of_all_issues_change_at_once(home: Path) -> None:
    table = night(home, 2).table("slates")
    commits = {issue: table.of_issue(issue).history(DAYS[2] + timedelta(days=1)) for issue in OFFERED}
    assert len({commit.version for found in commits.values() for commit in found}) == 1


def test_one_issue_run_again_leaves_all_rows_as_they_were(home: Path) -> None:
    names = ("models", "evaluations", "evidence", "promotions", "slates")
    before = {name: sorted(map(repr, rows(home, name).rows())) for name in names}
    for step in ("train", "evaluate", "promote", "score"):
        run_step(step, night(home, 2), "pricing")
    for step in ("audit", "publish"):
        run_step(step, night(home, 2))
    run_step("report", night(home, 2), "pricing")
    assert {name: sorted(map(repr, rows(home, name).rows())) for name in names} == before
    table = night(home, 2).table("slates")
    versions = [table.of_issue(issue).history(DAYS[2] + timedelta(days=1))[0].version for issue in OFFERED]
    assert versions[0] > versions[1]


def test_each_issue_has_a_page_and_a_champion_of_its_own(home: Path) -> None:
    for number, day in enumerate(DAYS):
        for issue in OFFERED:
            assert issue in str(night(home, number).warehouse.report(PROGRAM, day, issue))
            assert night(home, number).warehouse.report(PROGRAM, day, issue).is_file()
    for issue in OFFERED:
        assert night(home, 2).of_issue(issue).registry.champion_version() is not None


def test_the_doctor_finds_tables_of_several_issues_whole(home: Path) -> None:
    for table in ("models", "slates", "evidence"):
        place = f"{PROGRAM}/{table}"
        found = problems(home / "tables" / place, home / "staging" / place, lambda files, _: files)
        assert list(found) == []


def test_what_cannot_be_told_goes_to_quarantine(home: Path, tmp_path: Path) -> None:
    land(tmp_path, 0, issue=None)
    with pytest.raises(Exception, match="quarantine"):
        run_step("ingest", night(tmp_path, 0))
    rejected = rows(tmp_path, "quarantine")
    assert set(rejected["clause"]) == {"issue is required where an arm is of several issues, or of none"}
    assert all('"arm_id": "call"' in row or '"call"' in row for row in rejected["row"])


def test_tables_of_one_issue_are_not_read_as_those_of_several(home: Path, tmp_path: Path) -> None:
    alone = SPEC.split("issues:")[0] + "rewards: {values: {renewal: 3.0}, window: 12h}\n"
    (tmp_path / f"{PROGRAM}.yaml").write_text(alone)
    before = Night(programs.load(tmp_path / f"{PROGRAM}.yaml"), DAYS[2], home)
    with pytest.raises(SpecError, match="written by a program with several issues"):
        before.table("models").snapshot()
