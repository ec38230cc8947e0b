"""What a program may ask of a readout, and what it is told where it can't be answered."""

from datetime import timedelta

import pytest

from nightslate.errors import SpecError
from nightslate.programs.loading import parse

HEAD = """
program: shop
description: a shop
start_date: 2026-05-01
slots: 1
depth: 1
logs:
  propensity: marginal
  context: [{name: device, type: category}, {name: age, type: number}]
  arm_features: [{name: topic, type: category}, {name: novelty, type: number}]
  activity: {kinds: [view, error], keep_days: 14, columns: [{name: seconds, type: number}]}
features:
  visits: {aggregation: count, where: {kind: view}, window: 7d}
  last_seen: {source: impressions, aggregation: last, column: arm_id, window: 7d, default: none}
rewards: {values: {click: 1.0}, window: 1d}
learners: {uniform: {kind: uniform}}
floor: 0.1
gate: {first_champion: uniform}
"""
VARIANTS = "variants: {new: {share: 0.5, policy: champion}, old: {share: 0.5, policy: uniform}}\n"
REWARD = "metrics: {reward: {source: rewards}}"


def asking(experiment: str, variants: str = VARIANTS):
    return parse(f"{HEAD}{variants}experiment: {{{experiment}}}\n", "shop").only_issue.experiment


def test_a_metric_is_what_is_decided_by():
    asked = asking(
        "control: old, decided_by: zeal, metrics: {a: {source: rewards}, zeal: {source: outcomes}}"
    )
    assert (asked.control, asked.foremost) == ("old", "zeal")
    assert asking(f"control: old, {REWARD}").foremost == "reward"
    assert asking("start: 2026-06-01").metrics == {}


def test_retention_is_of_one_day():
    asked = asking("control: old, metrics: {back: {kind: retention, source: activity, day: 7}}")
    back = asked.metrics["back"]
    assert (back.begins, back.lasts) == (timedelta(days=7), timedelta(days=1))


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        (
            f"control: older, {REWARD}",
            r"experiment.control: 'older' is not one of the variants \(there: \['new'",
        ),
        (
            "control: old, metrics: {a: {source: outcomes, window: 7d, novelty: 7d}}",
            "novelty: the first days are held against what is left of the `window`",
        ),
        (
            "control: old, metrics: {a: {source: rewards, window: 7d, novelty: 1d}}",
            "novelty: it is of rows as they come; rewards come some time after",
        ),
        (
            "control: old, metrics: {a: {kind: share, source: outcomes, window: 7d, novelty: 1d}}",
            "novelty: it is of a mean or a ratio",
        ),
        (
            "control: old, metrics: {a: {kind: time_to_event, source: outcomes}}",
            "window: the mean time to an event is that within a `window`",
        ),
        (
            "control: old, metrics: {a: {kind: time_to_event, source: rewards, window: 7d}}",
            "kind: the time to an event is that to the first row",
        ),
        (
            "control: old, metrics: {a: {kind: time_to_event, source: outcomes, window: 7d, day: 3}}",
            "day: retention is of the day",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: features, column: visit}}}}",
            r"experiment.covariates.c: 'visit' is no column of features .*; is visits what is meant",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: features, column: last_seen}}}}",
            "experiment.covariates.c: column: sums are of numbers, and last_seen is a category",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: features, column: visits, window: 7d}}}}",
            "window: say how long before a user's first exposure rows count; a feature has its own",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: features, column: visits, after: 7d}}}}",
            "after: a covariate is of the `window` before a user's first exposure",
        ),
        (
            "control: old, metrics: {a: {kind: retention, source: features, column: visits, day: 7}}",
            "kind: a retention is of what was done in a time; a feature is as of its end",
        ),
        ("control: old, metrics: {a: {source: features}}", "source: of features say the `column`"),
        (
            f"control: old, {REWARD}, fatigue: {{kinds: [clck], within: 1d}}",
            r"experiment.fatigue: kinds: 'clck' is none of rewards.values \(there: \['click'\]\)",
        ),
        ("fatigue: {kinds: [click], within: 1d}", "experiment.fatigue: say the `control` and the `metrics`"),
        (f"control: old, {REWARD}, former: shop", "experiment.former: 'shop' is this experiment's own salt"),
        (f"control: old, {REWARD}, former: spring", "experiment.former: say the `start`, before which"),
        ("former: spring, start: 2026-06-01", "experiment.former: say the `control` and the `metrics`"),
        ("control: old", "experiment.metrics: a readout needs a `control` and `metrics`"),
        (REWARD, "experiment.control: a readout needs a `control` and `metrics`"),
        ("segments: [device]", "experiment.segments: say the `control` and the `metrics` that it is for"),
        (
            "control: old, metrics: {a: {source: rewards}, b: {source: rewards}}",
            r"experiment.decided_by: say by which of the metrics \(there: \['a', 'b'\]\)",
        ),
        (f"control: old, {REWARD}, decided_by: a", "experiment.decided_by: 'a' is not one of the metrics"),
        (f"control: old, {REWARD}, segments: [age]", r"experiment.segments: 'age' is not a category of logs"),
        (
            f"control: old, {REWARD}, guardrails: [{{metric: clicks, margin: 0.1}}]",
            r"experiment.guardrails: 'clicks' is not one of the metrics \(there: \['reward'\]\)",
        ),
        (
            "control: old, metrics: {a: {source: outcomes, where: {knd: click}}}",
            r"experiment.metrics.a: 'knd' is no column of outcomes .*; is kind what is meant\?",
        ),
        (
            "control: old, metrics: {a: {source: activity, where: {kind: views}}}",
            r"experiment.metrics.a: 'views' is none of logs.activity.kinds \(there: \['view', 'error'\]\)",
        ),
        (
            "control: old, metrics: {a: {source: impressions, column: topic}}",
            "experiment.metrics.a: column: sums are of numbers, and topic is a category",
        ),
        (
            "control: old, metrics: {a: {kind: ratio, source: outcomes}}",
            "per: a ratio is held against something",
        ),
        ("control: old, metrics: {a: {source: outcomes, day: 3}}", "day: retention is of the day so many"),
        (
            "control: old, metrics: {a: {source: rewards, where: {kind: click}}}",
            "source: rewards are summed as they are; to count some of what users do, take outcomes",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: outcomes, window: 7d, after: 1d}}}}",
            "experiment.covariates.c: .*after: a covariate is of the `window` before a user's first exposure",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: activity, window: 28d}}}}",
            "covariates.c: its window is longer than activity is kept, logs.activity.keep_days: 14",
        ),
        (
            "control: old, weighing: path, metrics: {a: {source: impressions, distinct: arm_id}}",
            "experiment.weighing: path tells metrics that are sums over days",
        ),
        (
            f"control: old, {REWARD}, covariates: {{c: {{source: outcomes}}}}",
            "covariates.c: .*window: say how long before a user.s first exposure rows count",
        ),
    ],
)
def test_what_cannot_be_read_out_is_named(experiment, says):
    with pytest.raises(SpecError, match=says):
        asking(experiment)


def test_one_variant_alone_has_nothing_to_be_held_against():
    alone = "variants: {old: {share: 1.0, policy: uniform}}\n"
    with pytest.raises(SpecError, match="old is the only variant; there is none to compare it with"):
        asking(f"control: old, {REWARD}", alone)


def test_what_is_counted_is_a_sum_or_different_values():
    with pytest.raises(SpecError, match="distinct: say `column`, whose values are summed, or `distinct`"):
        asking("control: old, metrics: {a: {source: impressions, column: novelty, distinct: topic}}")
