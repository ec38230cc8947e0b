"""Rules that a program declares as learners."""

import copy
from pathlib import Path

import pytest
import yaml
from tests.unit.programs.test_examination import SPEC

from nightslate.errors import SpecError
from nightslate.programs import load
from nightslate.programs.learners import RuleLearner, RuleLine
from nightslate.programs.meaning import policy_settings
from nightslate.programs.rules import arms_of_lines

LOGS = {
    "propensity": "marginal",
    "context": [
        {"name": "age_band", "type": "category"},
        {"name": "tenure", "type": "number", "boundaries": [90, 365]},
    ],
    "arm_features": [{"name": "type", "type": "category"}, {"name": "price", "type": "number"}],
    "activity": {"columns": []},
}
FEATURES = {
    "seen": {"source": "impressions", "aggregation": "count", "window": "7d"},
    "seen_of": {
        "source": "impressions",
        "aggregation": "count",
        "window": "7d",
        "key": ["user_id", "arm_id"],
    },
}
RULE = """
kind: rule
choose:
  - {when: tenure >= 100 and seen < 3, arms: type == discount and price <= 5}
  - when: age_band in ['18-25', young]
    arms: arm_id not in [a, b]
  - {arms: type == news}
"""


def spec(rule=None, **changed):
    found = {**copy.deepcopy(SPEC), "logs": LOGS, **changed}
    found["learners"]["todays_rule"] = yaml.safe_load(RULE) if rule is None else rule
    return found


def issue(folder, said):
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(said).replace("'2026-11-16'", "2026-11-16"), "utf-8")
    return load(path).only_issue


def test_its_lines_are_conditions_on_users_and_on_arms(tmp_path):
    """On numbers as they are, whatever boundaries learners see them by; on features too."""
    found = issue(tmp_path, spec(features=FEATURES, gate={"first_champion": "todays_rule"}))
    rule = found.learners["todays_rule"]
    assert isinstance(rule, RuleLearner)
    assert [line.when for line in rule.choose][1:] == ["age_band in ['18-25', young]", None]
    assert len(arms_of_lines(rule, found.logs.arm_features)) == 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"when": "tenur > 1", "arms": "type == news"}, "choose.1.when: 'tenur' in 'tenur > 1' is no column"),
        ({"when": "age_band > 1", "arms": "type == news"}, "choose.1.when: .* is text and has no order"),
        ({"when": "seen_of > 1", "arms": "type == news"}, "choose.1.when: 'seen_of'.*is no column"),
        (
            {"when": "type == news", "arms": "type == news"},
            "choose.1.when: 'type'.*there are age_band, tenure",
        ),
        ({"arms": "age_band == x"}, "choose.1.arms: 'age_band'.*there are arm_id, type, price"),
        ({"arms": "price == cheap"}, "choose.1.arms: 'cheap' in 'price == cheap' is not a number"),
        ({"arms": "type =="}, "choose.1.arms: 'type ==' is no condition"),
        ({"when": "tenure > 1"}, "rule.choose.1.arms: Field required"),
        ({"arms": "type == news", "if": "tenure > 1"}, "rule.choose.1.if: Extra inputs are not permitted"),
    ],
)
def test_a_line_that_can_not_be_meant_is_named(tmp_path, line, says):
    rule = {"kind": "rule", "choose": [{"arms": "type == news"}, line]}
    with pytest.raises(SpecError, match=rf"learners\.todays_rule\.{says}"):
        issue(tmp_path, spec(rule, features=FEATURES))


@pytest.mark.parametrize("choose", [[], [{"arms": "type == news"}] * 101])
def test_it_has_some_lines_and_not_too_many(tmp_path, choose):
    with pytest.raises(SpecError, match=r"learners\.todays_rule\.rule\.choose: "):
        issue(tmp_path, spec({"kind": "rule", "choose": choose}))


def test_nothing_that_learners_are_told_goes_with_it(tmp_path):
    for key, value in (("epsilon", 0.1), ("ignores", ["age_band"]), ("forgetting", 0.9)):
        with pytest.raises(SpecError, match=f"rule.{key}: Extra inputs"):
            issue(tmp_path, spec({"kind": "rule", "choose": [{"arms": "type == news"}], key: value}))


def test_another_rule_under_its_name_is_another_policy(tmp_path):
    replaced = (("100", "101"), ("[a, b]", "[b, a]"), ("  - {a", "  #- {a"), ("type == news", "type == new"))
    texts = [RULE, *(RULE.replace(*each) for each in replaced)]
    rules = (spec(yaml.safe_load(each), features=FEATURES) for each in texts)
    said = {policy_settings(issue(tmp_path, each), "todays_rule") for each in rules}
    assert len(said) == len(texts)


def test_a_sequence_has_none(tmp_path):
    said = spec(slots=1, sequence={"gap": "3d"})
    said["learners"] = {"q": {"kind": "fitted_q"}, "even": {"kind": "uniform"}, **said["learners"]}
    del said["learners"]["linear"]
    with pytest.raises(SpecError, match=r"one is fitted_q and others are uniform; got.*todays_rule"):
        issue(tmp_path, said)


def test_the_rule_of_the_documentation_is_one(tmp_path):
    """Beside the columns of the program that it is about."""
    root = Path(__file__).parents[3]
    section = (root / "docs/programs.md").read_text("utf-8").partition("## A rule that is declared")[2]
    (rule,) = yaml.safe_load(section.split("```")[1].removeprefix("yaml"))["learners"].values()
    of_shop = load(root / "dags/marketing_templates.yaml").logs
    logs = of_shop.model_dump(mode="json", include={"propensity", "context", "arm_features"})
    found = issue(tmp_path, spec(rule, logs=logs)).learners["todays_rule"]
    assert [line.when for line in found.choose] == [line.get("when") for line in rule["choose"]]


def test_a_line_is_for_everyone_unless_it_says_whom():
    assert RuleLine(arms="type == news").when is None
