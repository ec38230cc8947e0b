"""What rows of earlier days are worth under a program that has changed since."""

import pytest

from nightslate.programs.meaning import differences, meaning, meaning_of_evidence, policy_settings

from .test_loading import load, with_, write

REWARDS = {"values": {"click": 0.5}, "window": "12h"}
CREDITS = ("credits", "unattributed", "transitions")


def program(folder, sequence=None, **rewards):
    spec = with_("rewards", {"values": {"click": 1.0, "task": 2}, "window": "12h", **rewards})
    spec["sequence"] = sequence or {"gap": "2d"}
    spec["learners"] = {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}}
    return load(write(folder, spec | {"slots": 1}))


def changed(folder, **rewards):
    """What differs for credits if rewards are said differently."""
    before = meaning(program(folder), "credits")
    after = program(folder, **rewards)
    found = {table: differences(meaning(program(folder), table), meaning(after, table)) for table in CREDITS}
    assert found["credits"] == found["unattributed"] == found["transitions"]
    assert (meaning(after, "credits") == before) == (not found["credits"])
    return list(found["credits"].values())


@pytest.mark.parametrize(
    ("rewards", "says"),
    [
        ({"values": {"click": 10, "task": 2}}, ["rewards.values.click was 1.0 and is 10.0"]),
        (
            {"values": {"click": 1.0}},
            [
                "rewards.attribution.matches.task was closest and is not there",
                "rewards.values.task was 2.0 and is not there",
                "rewards.windows.task was 720m and is not there",
            ],
        ),
        ({"windows": {"task": "1d"}}, ["rewards.windows.task was 720m and is 1440m"]),
        ({"decay": "1d"}, ["rewards.decay was not said and is 1440m"]),
        ({"cap": 3}, ["rewards.cap was not said and is 3.0"]),
        ({"max_outcomes": 7}, ["rewards.max_outcomes was 1000 and is 7"]),
        ({"skew": "1m"}, ["rewards.skew was 5m and is 1m"]),
        ({"attribution": {"rule": "linear"}}, ["rewards.attribution.rule was last_touch and is linear"]),
        (
            {"attribution": {"matches": {"task": "user"}}},
            ["rewards.attribution.matches.task was closest and is user"],
        ),
        ({"attribution": {"max_touches": 5}}, ["rewards.attribution.max_touches was 100 and is 5"]),
    ],
)
def test_what_changes_the_worth_of_credits_is_named(tmp_path, rewards, says):
    assert changed(tmp_path, **rewards) == says


@pytest.mark.parametrize(
    "rewards",
    [
        {"values": {"task": 2.0, "click": 1}},
        {"window": "1d", "windows": {"click": "12h", "task": "720m"}},
        {"attribution": {"match": "user", "matches": {"click": "closest", "task": "closest"}}},
        {"name": "visits"},
        {"skew": "5m"},
    ],
)
def test_the_same_in_other_words_changes_nothing(tmp_path, rewards):
    assert changed(tmp_path, **rewards) == []


def test_transitions_depend_on_where_trajectories_end_too(tmp_path):
    one = program(tmp_path)
    other = program(tmp_path, sequence={"gap": "3d", "longest": "7d"})
    found = differences(meaning(one, "transitions"), meaning(other, "transitions"))
    assert list(found.values()) == [
        "sequence.gap was 2880m and is 4320m",
        "sequence.longest was 20160m and is 10080m",
    ]
    assert meaning(one, "credits") == meaning(other, "credits")


def test_logs_depend_on_what_they_are_read_by(tmp_path):
    one = program(tmp_path)
    assert meaning(one, "impressions") == {"logs.propensity": "marginal", "slots": "1"}
    assert meaning(one, "outcomes") == {"rewards.skew": "5m"}
    assert meaning(one, "users") == meaning(one, "evaluations") == {}


def test_evidence_is_in_one_currency(tmp_path):
    before = meaning_of_evidence(program(tmp_path).only_issue)
    assert differences(before, meaning_of_evidence(program(tmp_path).only_issue)) == {}
    dearer = meaning_of_evidence(program(tmp_path, values={"click": 10, "task": 2}).only_issue)
    assert differences(before, dearer) == {"rewards.values.click": "rewards.values.click was 1.0 and is 10.0"}


def test_costs_come_off_where_rewards_are_read_so_credits_stay_and_what_holds_rewards_does_not(tmp_path):
    free, dear = (program(tmp_path, costs=costs) for costs in ({"a": 0}, {"b": 1.5, "a": 0.0}))
    assert meaning(free, "credits") == meaning(dear, "credits") == meaning(program(tmp_path), "credits")
    says = {"rewards.costs.b": "rewards.costs.b was not there and is 1.5"}
    assert differences(meaning(free, "transitions"), meaning(dear, "transitions")) == says
    assert differences(meaning_of_evidence(free.only_issue), meaning_of_evidence(dear.only_issue)) == says
    shop = with_("rewards", {"values": {"click": 1.0}, "window": "12h"})
    evidence = []
    for costs in ({}, {"b": 1.5}):
        shop["rewards"]["costs"] = costs
        evidence.append(meaning_of_evidence(load(write(tmp_path, shop)).only_issue))
    assert differences(*evidence) == says


def test_evidence_of_decisions_depends_on_how_many_they_are_and_on_what_later_ones_count(tmp_path):
    later = program(tmp_path, sequence={"gap": "2d", "discount": 0.5}).only_issue
    found = differences(meaning_of_evidence(program(tmp_path).only_issue), meaning_of_evidence(later))
    assert found == {"sequence.discount": "sequence.discount was 1.0 and is 0.5"}
    one, two = (load(write(tmp_path, with_("slots", slots))).only_issue for slots in (1, 2))
    assert differences(meaning_of_evidence(one), meaning_of_evidence(two)) == {
        "slots": "slots was 1 and is 2"
    }


def test_what_an_issue_says_is_told_under_its_name(tmp_path):
    """And what is the program's once, or comes of all issues, without one."""
    spec = with_("issues", {"home": {"slots": 1}, "mail": {"rewards": REWARDS | {"skew": "9m"}}})
    shop = load(write(tmp_path, spec))
    assert meaning(shop, "outcomes") == {"rewards.skew": "9m"}
    assert meaning(shop, "impressions") == {
        "logs.propensity": "marginal",
        "issues.home.slots": "1",
        "issues.mail.slots": "2",
    }
    credits = meaning(shop, "credits")
    assert credits["issues.home.rewards.skew"] == "5m"
    assert credits["issues.mail.rewards.values.click"] == "0.5"
    assert all(key.startswith(("issues.home.rewards.", "issues.mail.rewards.")) for key in credits)


def test_a_policy_is_what_its_learner_says_and_the_floor(tmp_path):
    spec = with_("issues", {"home": {"floor": 0.2}, "mail": {}})
    home, mail = load(write(tmp_path, spec)).issues.values()
    assert policy_settings(home, "linear") == '{"floor": 0.2, "kind": "linear_thompson", "ridge": 2.0}'
    assert policy_settings(mail, "uniform") == '{"floor": 0.1, "kind": "uniform"}'
