"""What a program says for all of its issues, and what each says for itself."""

import copy
from datetime import date, timedelta
from pathlib import Path

import pytest

from nightslate.errors import SpecError
from nightslate.programs import Program, load

from .test_loading import SPEC, refusal, with_, write

FEATURES = {
    "propensity": "marginal",
    "context": [{"name": "age", "type": "number"}, {"name": "device", "type": "category"}],
    "arm_features": [{"name": "topic", "type": "category"}, {"name": "length", "type": "number"}],
}

WHERE = {"topic": "debt"}


def shop(**issues):
    return {**copy.deepcopy(SPEC), "logs": copy.deepcopy(FEATURES), "issues": issues}


def without(key):
    """A flat program with this key said by neither, for the issues to say."""
    return {name: value for name, value in shop(home={}, mail={}).items() if name != key}


def test_a_program_that_names_no_issues_has_one_that_is_all(tmp_path):
    program = load(write(tmp_path, SPEC))
    (name, issue), *others = program.issues.items()
    assert (name, others) == ("all", [])
    assert issue is program.only_issue is program.issue("all")
    assert (issue.name, issue.program, issue.start_date) == ("all", "shop", date(2026, 11, 16))
    assert issue.logs == program.logs
    assert (issue.slots, issue.depth, {*issue.learners}) == (2, 3, {"uniform", "linear"})
    assert (issue.arms.ids, issue.arms.where, issue.eligible) == ((), {}, {})


def test_keyword_arguments_say_the_same_as_a_file(tmp_path):
    keys = {**copy.deepcopy(SPEC), "start_date": date(2026, 11, 16)}
    assert Program(**keys) == load(write(tmp_path, SPEC))
    apart = {key: keys.pop(key) for key in ("slots", "rewards", "gate")}
    assert Program(**keys, issues={"all": apart}) == load(write(tmp_path, SPEC))


def test_what_is_said_beside_issues_holds_for_all_and_what_an_issue_says_wins(tmp_path):
    """As a whole: a key that an issue says has nothing of the one beside."""
    own = {"slots": 1, "rewards": {"values": {"open": 2.0}, "window": "3d", "skew": "9m"}}
    program = load(write(tmp_path, shop(home={}, mail=own)))
    home, mail = program.issues["home"], program.issues["mail"]
    assert [issue.name for issue in (home, mail)] == [*program.issues] == ["home", "mail"]
    assert (home.slots, mail.slots) == (2, 1)
    assert (home.rewards.values, mail.rewards.values) == ({"click": 1.0}, {"open": 2.0})
    assert home.learners == mail.learners
    assert home.logs == mail.logs == program.logs
    assert (program.slots, program.skew) == (2, timedelta(minutes=9))
    assert program.longest_window == timedelta(days=3)


@pytest.mark.parametrize("key", ["slots", "floor", "gate", "learners", "rewards", "variants", "depth"])
def test_what_no_one_says_is_missing_for_the_issue_that_has_it_not(tmp_path, key):
    spec = without(key)
    spec["issues"]["home"][key] = SPEC[key]
    message = refusal(tmp_path, spec)
    assert f"issues.mail.{key}: Field required" in message
    assert f"issues.home.{key}" not in message
    spec["issues"]["mail"][key] = SPEC[key]
    assert load(write(tmp_path, spec)) == load(write(tmp_path, shop(home={}, mail={})))


@pytest.mark.parametrize("key", ["program", "start_date", "logs", "name"])
def test_what_is_the_programs_is_said_once(tmp_path, key):
    said = {**shop(), "name": "home"}[key]
    message = refusal(tmp_path, shop(home={}, mail={key: said}))
    assert f"issues.mail: {key} is said once, for the whole program" in message


@pytest.mark.parametrize("key", ["owner", "buckets", "description", "issues", "colour"])
def test_no_other_key_of_a_program_is_one_of_an_issue(tmp_path, key):
    message = refusal(tmp_path, shop(home={key: 1}))
    assert message.endswith(f"\n  issues.home.{key}: Extra inputs are not permitted")


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("learners.linear.ridge", 0, "learners.linear.linear_thompson.ridge: Input should be greater than 0"),
        ("rewards.window", "soon", "rewards.window: Value error, a duration is"),
        ("logs.propensity", "guessed", "logs.propensity: Input should be 'conditional' or 'marginal'"),
        ("depth", 1, "(top): Value error, depth: a ranking of 1 can't fill 2 slots"),
        ("start_date", "soon", "start_date: Input should be a valid date"),
        ("colour", 1, "colour: Extra inputs are not permitted"),
    ],
)
def test_an_error_is_told_once_where_the_file_has_it(tmp_path, place, value, says):
    first, *lines = refusal(tmp_path, with_(place, value)).splitlines()
    assert first == "shop.yaml is not a program:"
    assert len(lines) == 1
    assert lines[0].startswith(f"  {says}")


def test_an_error_of_an_issue_is_told_with_its_name(tmp_path):
    message = refusal(tmp_path, shop(home={"slots": 0}, mail={"gate": {"first_champion": "nobody"}}))
    assert message.splitlines()[1:] == [
        "  issues.home.slots: Input should be greater than or equal to 1",
        "  issues.mail: Value error, gate.first_champion: 'nobody' is not one of the learners",
    ]


def test_an_error_of_the_logs_is_told_once_for_all_issues(tmp_path):
    spec = shop(home={}, mail={})
    spec["logs"]["propensity"] = "guessed"
    (line,) = refusal(tmp_path, spec).splitlines()[1:]
    assert line.startswith("  logs.propensity: Input should be")


@pytest.mark.parametrize(
    ("issues", "says"),
    [
        ({}, "issues: Dictionary should have at least 1 item"),
        (None, "issues: Input should be a valid dictionary"),
        (["home"], "issues: Input should be a valid dictionary"),
        ({"home": None}, "issues.home: Input should be a valid dictionary"),
        ({"home": ["slots"]}, "issues.home: Input should be a valid dictionary"),
        ({"../home": {}}, "String should match pattern"),
        ({"Home": {}}, "String should match pattern"),
        ({f"i{n}": {} for n in range(101)}, "issues: Dictionary should have at most 100 items"),
    ],
)
def test_what_are_no_issues(tmp_path, issues, says):
    assert says in refusal(tmp_path, {**SPEC, "issues": issues})


@pytest.mark.parametrize("shared", [True, False])
def test_decisions_that_follow_one_another_have_a_program_of_their_own(tmp_path, shared):
    """Whether the key is said for all issues or by one of them."""
    sequence = {
        "sequence": {"gap": "3d"},
        "slots": 1,
        "learners": {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}},
    }
    spec = {**shop(home={}, mail={}), **sequence} if shared else shop(home={}, mail=sequence)
    name = "home" if shared else "mail"
    assert f"issues: {name} has a `sequence`, whose decisions follow one another" in refusal(tmp_path, spec)
    alone = load(write(tmp_path, shop(mail=sequence)))
    assert alone.only_issue.sequence.gap == timedelta(days=3)


def test_an_issue_has_arms_by_id_or_by_what_they_are(tmp_path):
    program = load(write(tmp_path, shop(home={"arms": {"ids": ["b", "a"]}}, mail={"arms": {"where": WHERE}})))
    assert program.issues["home"].arms.ids == ("b", "a")
    assert program.issues["mail"].arms.where == {"topic": "debt"}


@pytest.mark.parametrize(
    ("issue", "says"),
    [
        ({"arms": {"ids": ["a"], "where": WHERE}}, "home.arms: Value error, say which arms, by `ids` or by"),
        ({"arms": {"ids": [7]}}, "home.arms.ids.0: Input should be a valid string"),
        ({"arms": ["a"]}, "issues.home.arms: Input should be a valid dictionary"),
        (
            {"arms": {"where": {"length": "7"}}},
            "arms.where: 'length' is not a category of logs.arm_features (there: ['topic'])",
        ),
        (
            {"arms": {"where": {"device": "app"}}},
            "arms.where: 'device' is not a category of logs.arm_features",
        ),
        (
            {"eligible": {"age": ["7"]}},
            "eligible: 'age' is not a category of logs.context or features (there: ['device'])",
        ),
        ({"eligible": {"topic": ["debt"]}}, "eligible: 'topic' is not a category of logs.context"),
        ({"eligible": {"device": "app"}}, "issues.home.eligible.device: Input should be a valid tuple"),
        ({"eligible": {"device": [1]}}, "issues.home.eligible.device.0: Input should be a valid string"),
    ],
)
def test_arms_and_users_that_can_not_be_told(tmp_path, issue, says):
    assert says in refusal(tmp_path, shop(home=issue))


def test_users_get_slates_of_an_issue_by_a_category_of_their_context(tmp_path):
    issue = load(write(tmp_path, shop(home={"eligible": {"device": ["app", "tv"]}}))).only_issue
    assert issue.eligible == {"device": ("app", "tv")}


def test_a_program_of_several_has_no_only_one(tmp_path):
    program = load(write(tmp_path, shop(home={}, mail={})))
    with pytest.raises(SpecError, match=r"shop has the issues home, mail: say which one"):
        _ = program.only_issue
    with pytest.raises(SpecError, match=r"shop has no issue 'all' \(there: home, mail\)"):
        program.issue("all")
    assert program.issue("mail").name == "mail"


def test_the_example_of_the_documentation_is_a_program_and_says_what_it_is_said_to(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "programs.md").read_text("utf-8")
    example = page.partition("## Issues\n")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "helpdesk.yaml").write_text(example, "utf-8")
    program = load(tmp_path / "helpdesk.yaml")
    pricing, usability = program.issues.values()
    assert (pricing.slots, usability.slots, program.slots) == (1, 2, 2)
    assert pricing.learners == usability.learners
    assert pricing.arms.ids == ("discount", "trial", "call")
    assert usability.arms.where == {"about": "usability"}
    assert program.longest_window == timedelta(days=14)


def test_an_error_in_what_is_said_for_all_issues_is_told_once_where_it_stands(tmp_path):
    message = refusal(tmp_path, {**shop(home={}, mail={}), "floor": 7})
    assert message.splitlines()[1:] == ["  floor: Input should be less than or equal to 1"]


def test_the_name_of_an_only_issue_is_not_one_of_several(tmp_path):
    assert "'all' is the name of an issue that is the only one" in refusal(tmp_path, shop(all={}, mail={}))


def test_an_arm_is_named_once(tmp_path):
    message = refusal(tmp_path, shop(home={"arms": {"ids": ["a", "a"]}}))
    assert "issues.home.arms: Value error, ids: an arm is named twice in ['a', 'a']" in message


def test_a_condition_that_can_not_be_meant_is_refused_by_name(tmp_path):
    spec = shop(home={"concerns": "devise == app"})
    assert "concerns: 'devise' in 'devise == app' is no column: there are" in refusal(tmp_path, spec)
    issue = load(write(tmp_path, shop(home={"concerns": "device == app"}))).only_issue
    assert issue.concerned_by == ("device",)


def test_one_issue_a_user_is_drawn_with_a_floor_and_a_baseline(tmp_path):
    arms = {"arms": {"ids": ["a", "nothing"]}}
    said = shop(home=arms, mail={}) | {"issue_choice": {"floor": 0.3, "baseline": "nothing"}}
    choice = load(write(tmp_path, said)).issue_choice
    assert (choice.floor, choice.baseline) == (0.3, "nothing")
    default = load(write(tmp_path, shop(home={}, mail={}) | {"issue_choice": {}})).issue_choice
    assert (default.floor, default.baseline) == (0.1, None)
    assert load(write(tmp_path, shop(home={}, mail={}))).issue_choice is None


@pytest.mark.parametrize(
    ("issues", "choice", "says"),
    [
        ({"home": {}}, {}, "issue_choice: there is one issue, 'home', and nothing to choose from"),
        ({"home": {}, "mail": {}}, {"floor": 0.0}, "issue_choice.floor: "),
        ({"home": {}, "mail": {}}, {"floor": 1.1}, "issue_choice.floor: "),
        ({"home": {}, "mail": {}}, {"base": "nothing"}, "issue_choice.base: "),
        (
            {"home": {}, "mail": {"arms": {"ids": ["a", "b"]}}},
            {"baseline": "nothing"},
            "issue_choice.baseline: 'nothing' is not one of issues.mail.arms.ids ['a', 'b']",
        ),
    ],
)
def test_a_choice_of_issues_that_cannot_be_is_told(tmp_path, issues, choice, says):
    assert says in refusal(tmp_path, shop(**issues) | {"issue_choice": choice})


def test_a_program_without_issues_has_none_to_choose_from(tmp_path):
    assert "issue_choice: there is one issue, 'all'" in refusal(tmp_path, {**SPEC, "issue_choice": {}})
