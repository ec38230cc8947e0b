"""What rows of earlier days are worth under a program that has changed since."""

from datetime import timedelta

import pytest

from nightslate.programs.meaning import differences, meaning

from .test_loading import load, with_, write

CREDITS = ("credits", "unattributed", "transitions")


def program(folder, **rewards):
    spec = with_("rewards", {"values": {"click": 1.0, "task": 2}, "window": "12h", **rewards})
    spec["sequence"] = {"gap": "2d"}
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
    sequence = one.sequence.model_copy(update={"gap": timedelta(days=3), "longest": timedelta(days=7)})
    other = one.model_copy(update={"sequence": sequence})
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
    before = meaning(program(tmp_path), "evidence")
    assert differences(before, meaning(program(tmp_path), "evidence")) == {}
    dearer = meaning(program(tmp_path, values={"click": 10, "task": 2}), "evidence")
    assert differences(before, dearer) == {"rewards.values.click": "rewards.values.click was 1.0 and is 10.0"}
