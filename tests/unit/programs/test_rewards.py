"""What a program may say about rewards and their attribution."""

from datetime import timedelta

import pytest

from .test_loading import load, refusal, with_, write

TOPICS = [{"name": "topic", "type": "category"}, {"name": "novelty", "type": "number"}]


def rewards(**more):
    return with_("rewards", {"values": {"click": 0.05, "task": 1.0}, "window": "14d", **more})


def of_topics(**attribution):
    spec = rewards(attribution=attribution)
    spec["logs"]["arm_features"] = TOPICS
    return spec


def test_kinds_have_windows_of_their_own(tmp_path):
    program = load(write(tmp_path, rewards(windows={"click": "1d", "task": "21d"})))
    assert program.only_issue.rewards.window_of("click") == timedelta(days=1)
    assert program.only_issue.rewards.longest_window == timedelta(days=21)


def test_a_window_that_no_kind_goes_by_is_not_the_longest(tmp_path):
    program = load(write(tmp_path, rewards(windows={"click": "1d", "task": "2d"})))
    assert program.only_issue.rewards.longest_window == timedelta(days=2)


def test_what_is_not_said_is_last_touch_without_limits(tmp_path):
    rewards_ = load(write(tmp_path, rewards())).only_issue.rewards
    assert (rewards_.attribution.rule, rewards_.attribution.match) == ("last_touch", "closest")
    assert (rewards_.cap, rewards_.decay, rewards_.maturity) == (None, None, "exclude")


def test_outcomes_may_be_matched_by_a_topic_of_the_arms(tmp_path):
    program = load(write(tmp_path, of_topics(matches={"task": "user_topic"}, topic="topic")))
    assert program.only_issue.rewards.attribution.by_topic


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (rewards(windows={"visit": "1d"}), "windows: ['visit'] are no kinds of values"),
        (rewards(attribution={"matches": {"visit": "user"}}), "attribution.matches: ['visit'] are no kinds"),
        (rewards(attribution={"rule": "time_decay"}), "half_life: the rule time_decay needs one"),
        (rewards(attribution={"half_life": "7d"}), "half_life: the rule time_decay needs one, and no other"),
        (rewards(attribution={"match": "user_topic"}), "topic: the match user_topic needs an arm feature"),
        (of_topics(topic="topic"), "topic: the match user_topic needs an arm feature, and no other"),
        (of_topics(match="user_topic", topic="novelty"), "'novelty' is not a category of logs.arm_features"),
        (rewards(cap=0), "rewards.cap: Input should be greater than 0"),
        (rewards(max_outcomes=0), "rewards.max_outcomes: Input should be greater than or equal to 1"),
        (rewards(attribution={"max_touches": 0}), "rewards.attribution.max_touches: Input should be"),
        (rewards(decay="0d"), "a duration must be longer than nothing"),
        (rewards(windows={"task": "28d"}), "training.window_days: none of the impressions of 28 days"),
        (
            {**rewards(), "evaluation": {"window_days": 14}},
            "evaluation.window_days: none of the impressions of 14 days has had its window of 336 hours",
        ),
        (rewards(maturity="guess"), "rewards.maturity: Input should be 'exclude' or 'ipcw'"),
    ],
)
def test_what_rewards_may_not_say(tmp_path, spec, says):
    assert says in refusal(tmp_path, spec)
