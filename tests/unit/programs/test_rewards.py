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


def test_arms_cost_what_is_said_and_the_others_nothing(tmp_path):
    spec = rewards(costs={"chat": 2, "tip 7": 0.25}) | {"evaluation": {"reward_range": [-1.0, 3.0]}}
    issue = load(write(tmp_path, spec)).only_issue
    assert issue.rewards.dearest == 2.0
    assert issue.rewards.less_costs((-1.0, 3.0), ("chat", "tip 7")) == (-3.0, 2.75)
    assert issue.rewards.less_costs((-1.0, 3.0), ("tip 7", "nothing")) == (-1.25, 3.0)
    assert issue.rewards.less_costs((-1.0, 3.0), ()) == (-1.0, 3.0)
    assert issue.reward_range == (-3.0, 3.0)  # whatever arm is shown


@pytest.mark.parametrize(
    ("costs", "says"),
    [
        ({"a": -0.5}, "rewards.costs.a: Input should be greater than or equal to 0"),
        ({"a": "dear"}, "rewards.costs.a: Input should be a valid number"),
        ({7: 0.5}, "Input should be a valid string"),
        ({"a": 1e13}, "rewards.costs.a: Input should be less than or equal to"),
    ],
)
def test_costs_that_are_none(tmp_path, costs, says):
    assert says in refusal(tmp_path, rewards(costs=costs))


def test_a_probability_has_no_costs(tmp_path):
    assert "a probability less a cost is no probability" in refusal(
        tmp_path, rewards(rate=True, costs={"a": 0.1})
    )
    load(write(tmp_path, rewards(rate=True, costs={"a": 0})))


@pytest.mark.parametrize(
    "learner",
    [
        {"kind": "logistic_thompson"},
        {"kind": "logistic_ucb"},
        {"kind": "epsilon_greedy", "estimator": "logistic_regression"},
        {"kind": "epsilon_greedy", "estimator": "mlp_classifier"},
    ],
)
def test_learners_of_successes_know_no_costs(tmp_path, learner):
    spec = rewards(costs={"a": 0.1})
    spec["learners"]["of_successes"] = learner
    assert "rewards.costs: ['of_successes'] are for rewards that are not negative" in refusal(tmp_path, spec)
    spec["learners"]["of_successes"] = {"kind": "epsilon_greedy", "estimator": "ridge"}
    load(write(tmp_path, spec))
    spec["learners"]["of_successes"], spec["rewards"]["costs"] = learner, {"a": 0}
    load(write(tmp_path, spec))
