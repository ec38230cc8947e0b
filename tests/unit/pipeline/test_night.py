"""What a night is about: a program on a day, or one issue of it."""

from datetime import date

import pytest
import yaml

from nightslate import contracts
from nightslate.errors import SpecError
from nightslate.pipeline.night import Night
from nightslate.programs import load

DS = date(2024, 3, 1)
SPEC = """
program: tiny
description: a small one
start_date: 2024-03-01
depth: 3
logs:
  propensity: marginal
  context: [{name: age, type: number}]
  arm_features: [{name: topic, type: category}]
rewards: {values: {click: 1.0}, window: 12h}
learners: {uniform: {kind: uniform}}
floor: 0.1
variants: {everyone: {share: 1.0, policy: uniform}}
gate: {first_champion: uniform}
"""
SEVERAL = {"home": {"slots": 3}, "mail": {"slots": 1}}


def night(home, issues=None):
    own = {"issues": issues} if issues else {"slots": 3}
    (home / "tiny.yaml").write_text(yaml.safe_dump({**yaml.safe_load(SPEC), **own}))
    return Night(load(home / "tiny.yaml"), DS, home / "warehouse")


def tables_by_issue(night):
    return {name for name in contracts.tables() if night.contract(name).by_issue}


@pytest.mark.parametrize("issues", [None, {"home": {"slots": 3}}])
def test_tables_of_a_program_of_one_issue_are_laid_out_as_ever(tmp_path, issues):
    assert tables_by_issue(night(tmp_path, issues)) == set()


def test_of_several_each_has_partitions_of_its_own_where_every_row_is_of_one(tmp_path):
    expected = {name for name in contracts.tables() if contracts.load(name).tells_issues_apart}
    assert tables_by_issue(night(tmp_path, SEVERAL)) == expected
    assert {"models", "slates", "evidence"} < expected
    assert night(tmp_path, SEVERAL).contract("slates").partitions == ("slate_date", "issue")


@pytest.mark.parametrize("issues", [None, SEVERAL])
def test_tables_have_the_columns_of_their_program_and_the_most_slots_that_an_issue_has(tmp_path, issues):
    contract = night(tmp_path, issues).contract
    extra = {
        name: [c.name for c in contract(name).columns if c not in contracts.load(name).columns]
        for name in ("impressions", "users", "arms", "outcomes", "slates")
    }
    assert extra == {
        "impressions": ["slot", "age"],
        "users": ["age"],
        "arms": ["topic"],
        "outcomes": [],
        "slates": [],
    }
    assert contract("impressions").column("slot").maximum == 3


def test_a_night_of_one_issue_sees_its_rows_of_tables_that_tell_issues_apart(tmp_path):
    whole = night(tmp_path, SEVERAL)
    mail = whole.of_issue("mail")
    assert (mail.issue, mail.only) == (whole.program.issues["mail"], "mail")
    assert [each.issue.name for each in whole.issues] == ["home", "mail"]
    assert (whole.table("models").issue, mail.table("models").issue) == (None, "mail")
    assert mail.table("impressions").issue is None
    rows = [
        {"issue": name, "learner": "uniform", "digest": "0" * 64, "rows": 1, "arms": 2} for name in SEVERAL
    ]
    for each, row in zip(whole.issues, rows, strict=True):
        table = each.table("models")
        table.replace(DS, table.typed([row]), {})
    assert mail.rows("models")["issue"].to_pylist() == ["mail"]
    assert sorted(whole.rows("models")["issue"].to_pylist()) == ["home", "mail"]


def test_the_only_issue_needs_no_looking_for(tmp_path):
    only = night(tmp_path).of_issue("all")
    assert only.only is None
    assert only.table("models").issue is None


def test_a_night_of_an_issue_stays_one_of_it_on_another_day_and_by_another_engine(tmp_path):
    mail = night(tmp_path, SEVERAL).of_issue("mail")
    assert mail.at(date(2024, 3, 2)).issue is mail.issue
    assert mail.on(mail.engine).issue is mail.issue
    assert (mail.at(date(2024, 3, 2)).ds, mail.slate_date) == (date(2024, 3, 2), date(2024, 3, 2))


def test_an_issue_that_a_program_has_not_is_told(tmp_path):
    with pytest.raises(SpecError, match=r"tiny has no issue 'web' \(there: home, mail\)"):
        night(tmp_path, SEVERAL).of_issue("web")


@pytest.mark.parametrize(
    ("ds", "says"),
    [
        ("today", "'today' is not a day: write YYYY-MM-DD"),
        ("1969-12-31", "1969-12-31 is no day of data: choose one from 1970-01-01 to 2199-12-31"),
    ],
)
def test_a_day_that_is_none_is_told_before_the_program_is_looked_for(ds, says):
    with pytest.raises(SpecError, match=says):
        Night.named("no_such_program", ds)


def test_a_night_is_named_by_its_program_and_day(tmp_path, monkeypatch):
    night(tmp_path)
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path / "warehouse"))
    assert Night.named("tiny", "2024-03-01") == night(tmp_path)
