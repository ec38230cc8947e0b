"""Goals, priority and diversity fit each other and the arms' features, or are refused by name."""

import pytest

from nightslate.programs import load

from .test_loading import refusal, with_, write

FEATURES = [{"name": "topic", "type": "category"}, {"name": "boost", "type": "number"}]
GOAL = {"name": "new", "where": {"topic": "new"}, "share": 0.2}
DIVERSITY = {"by": "topic"}


def shop(**keys):
    spec = {**with_("logs.arm_features", FEATURES), **keys}
    spec["logs"]["propensity"] = "conditional"
    return spec


def test_what_a_program_may_ask_for(tmp_path):
    goals = [GOAL, {"name": "old", "arms": ["a", "b"], "exposures": 100.0}]
    issue = load(write(tmp_path, shop(exposure=goals, priority="boost", diversity=DIVERSITY))).only_issue
    assert issue.exposure[0].where == {"topic": "new"}
    assert issue.exposure[1].arms == ("a", "b")
    assert issue.exposure_tolerance == 0.001
    assert issue.diversity.penalty == 0.5
    assert issue.adjusted == ("learned",)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"exposure": [GOAL, GOAL]}, "exposure: two goals share a name"),
        ({"exposure": [{**GOAL, "arms": ["a"]}]}, "new: say which arms, by `arms` or by `where`"),
        ({"exposure": [{"name": "new", "share": 0.2}]}, "new: say which arms, by `arms` or by `where`"),
        ({"exposure": [{**GOAL, "exposures": 9.0}]}, "new: ask for a `share` of all slots or for a number"),
        (
            {"exposure": [{"name": "new", "arms": ["a"]}]},
            "new: ask for a `share` of all slots or for a number",
        ),
        ({"exposure": [{"name": "n", "arms": ["a", "a"], "share": 0.1}]}, "n: an arm is named twice"),
        ({"exposure": [{**GOAL, "share": 1.0}]}, "exposure.0.share: Input should be less than 1"),
        ({"exposure": [{**GOAL, "where": {"boost": "1"}}]}, "exposure.new.where: 'boost' is not a category"),
        ({"exposure": [{**GOAL, "where": {"age": "1"}}]}, "'age' is not a category of logs.arm_features"),
        ({"exposure": [{**GOAL, "where": {"topic": 401}}]}, "where.topic: Input should be a valid string"),
        ({"priority": "topic"}, "priority: 'topic' is not a number of logs.arm_features (there: ['boost'])"),
        ({"diversity": {"by": "boost"}}, "diversity.by: 'boost' is not a category"),
        ({"diversity": {**DIVERSITY, "penalty": 1.0}}, "diversity.penalty: Input should be less than 1"),
        ({"diversity": {**DIVERSITY, "penalty": 0}}, "diversity.penalty: Input should be greater than 0"),
        (
            {"diversity": DIVERSITY, "exposure": [GOAL], "slots": 4, "depth": 4},
            "exposures are computed up to slot 3, not 4",
        ),
        (
            {"priority": "boost", "variants": {"all": {"share": 1.0, "policy": "uniform"}}},
            "variants: all of them are uniform",
        ),
    ],
)
def test_what_it_may_not(tmp_path, keys, says):
    assert says in refusal(tmp_path, shop(**keys))


def test_budgets_by_id_by_feature_and_by_cost(tmp_path):
    budgets = [
        {"name": "new_ones", "where": {"topic": "new"}, "most": 100},
        {"name": "chats", "arms": ["chat"], "most": 20.0},
        {"name": "cost", "costs": {"chat": 8.0, "discount": 5}, "most": 1000.0},
    ]
    issue = load(write(tmp_path, shop(budgets=budgets))).only_issue
    assert issue.tilts_slates
    assert [budget.most for budget in issue.budgets] == [100.0, 20.0, 1000.0]
    assert issue.budgets[2].costs == {"chat": 8.0, "discount": 5.0}


BUDGET = {"name": "chats", "arms": ["chat"], "most": 20.0}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"budgets": [BUDGET, BUDGET]}, "budgets: two budgets, or a goal and a budget, share a name"),
        ({"budgets": [{**BUDGET, "name": "new"}], "exposure": [GOAL]}, "a goal and a budget, share a name"),
        (
            {"budgets": [{**BUDGET, "where": {"topic": "new"}}]},
            "chats: say which arms, by `arms`, by `where`",
        ),
        ({"budgets": [{**BUDGET, "costs": {"chat": 1.0}}]}, "chats: say which arms, by `arms`, by `where`"),
        ({"budgets": [{"name": "chats", "most": 20.0}]}, "chats: say which arms, by `arms`, by `where`"),
        ({"budgets": [{"name": "chats", "arms": ["chat"]}]}, "budgets.0.most: Field required"),
        ({"budgets": [{**BUDGET, "most": 0}]}, "budgets.0.most: Input should be greater than 0"),
        ({"budgets": [{**BUDGET, "arms": ["a", "a"]}]}, "chats: an arm is named twice"),
        ({"budgets": [{**BUDGET, "share": 0.1}]}, "budgets.0.share: Extra inputs are not permitted"),
        (
            {"budgets": [{"name": "c", "costs": {"chat": 0.0}, "most": 1.0}]},
            "costs.chat: Input should be greater than 0",
        ),
        (
            {"budgets": [{"name": "c", "where": {"boost": "1"}, "most": 1.0}]},
            "budgets.c.where: 'boost' is not a category",
        ),
        (
            {"budgets": [BUDGET], "variants": {"all": {"share": 1.0, "policy": "uniform"}}},
            "goals, budgets, priority and diversity leave those as they are",
        ),
        (
            {"diversity": DIVERSITY, "budgets": [BUDGET], "slots": 4, "depth": 4},
            "exposures are computed up to slot 3, not 4",
        ),
    ],
)
def test_what_budgets_may_not(tmp_path, keys, says):
    assert says in refusal(tmp_path, shop(**keys))


def test_a_penalty_has_no_marginal_propensities(tmp_path):
    spec = shop(diversity=DIVERSITY)
    spec["logs"]["propensity"] = "marginal"
    assert "propensities of slates with a penalty are conditional" in refusal(tmp_path, spec)
