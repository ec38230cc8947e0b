from dataclasses import replace

import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.diagnostics import Thresholds, largest_share, weaknesses
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.verdict import verdict

RULES = Thresholds()
BETTER = Estimate(
    policy="target",
    reference="logged",
    estimator="dr",
    tuning=None,
    value=0.02,
    stderr=0.005,
    lower=0.01,
    upper=0.03,
    confidence=0.95,
    interval_method="bootstrap",
    n=1000,
    clusters=300,
    ess=600.0,
    max_weight=3.0,
    mean_weight=1.01,
    mean_weight_lower=0.97,
    mean_weight_upper=1.05,
    unsupported_share=0.0,
)


@pytest.mark.parametrize(
    ("lower", "upper", "word"),
    [
        (0.01, 0.03, "deploy"),
        (-0.01, 0.03, "test further"),
        (0.0, 0.03, "test further"),
        (-0.03, 0.0, "test further"),
        (-0.03, -0.01, "do not deploy"),
    ],
)
def test_the_whole_interval_decides(lower, upper, word):
    reached = verdict(replace(BETTER, lower=lower, upper=upper), RULES, support_is_known=True)
    assert reached.word == word
    (reason,) = reached.reasons
    assert f"target minus logged by dr is 0.02, {lower:.4g} to {upper:.4g} at 95 % confidence" in reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clusters": 29}, "29 clusters are fewer than 30"),
        (
            {"ess": 99.9},
            "size 99.9 is under 100: with such weights it would take about 1,100 instead of 1,000",
        ),
        ({"ess": 0.5}, "it would take about 200,000 instead of 1,000"),
        ({"ess": None}, "the effective sample size unknown"),
        ({"unsupported_share": 0.02}, "could not show, 0.02, is over 0.01"),
        ({"mean_weight_lower": 1.01}, "1.01 (1.01 to 1.05), is not near 1"),
        ({"mean_weight_upper": 0.99}, "1.01 (0.97 to 0.99), is not near 1"),
        ({"mean_weight_lower": None}, "unknown to 1.05"),
        ({"max_weight": 60.0}, "one weight, 60, is 0.0594 of all weight, over 0.05"),
    ],
)
def test_weak_weights_are_no_evidence_however_good_the_difference(change, says):
    reached = verdict(replace(BETTER, **change), RULES, support_is_known=True)
    assert reached.word == "not enough evidence"
    assert says in reached.reasons[0]
    assert len(reached.reasons) == 2


@pytest.mark.parametrize(
    "limits",
    [
        {"clusters": 30},
        {"ess": 100.0},
        {"unsupported_share": 0.01},
        {"mean_weight_lower": 1.0},
        {"mean_weight": 1.0000002, "mean_weight_lower": 1.0000002, "mean_weight_upper": 1.0000002},
        {"mean_weight": 0.97, "mean_weight_lower": 0.95, "mean_weight_upper": 0.985},
        {"max_weight": 50.4},
    ],
)
def test_what_just_reaches_a_threshold_is_enough(limits):
    assert weaknesses(replace(BETTER, **limits), RULES, support_is_known=True) == ()


def test_a_share_that_nobody_measured_is_left_to_the_mean_weight():
    short = replace(BETTER, unsupported_share=0.02, mean_weight=0.98)
    assert weaknesses(short, RULES, support_is_known=False) == ()
    assert len(weaknesses(short, RULES, support_is_known=True)) == 1


def test_without_an_interval_or_a_reference_there_is_no_verdict_to_act_on():
    for missing in ("value", "lower", "upper"):
        reached = verdict(replace(BETTER, **{missing: None}), RULES, support_is_known=True)
        assert reached.word == "not enough evidence"
        assert "has no interval" in reached.reasons[0]
    alone = verdict(replace(BETTER, reference=None), RULES, support_is_known=True)
    assert alone.word == "test further"
    assert "nothing to compare target with" in alone.reasons[0]


def test_the_largest_share_of_no_weight_is_none():
    assert largest_share(BETTER) == pytest.approx(3 / 1010)
    assert largest_share(replace(BETTER, mean_weight=0.0)) is None
    assert largest_share(replace(BETTER, max_weight=None)) is None


@pytest.mark.parametrize("bad", [{"min_ess": -1}, {"min_clusters": 1}, {"max_weight_share": 1.1}])
def test_thresholds_that_mean_nothing_are_refused(bad):
    with pytest.raises(InvalidInputError, match="thresholds need"):
        Thresholds(**bad)


@pytest.mark.parametrize(
    ("lower", "upper", "word"), [(0.01, 0.03, "deploy"), (-0.03, -0.01, "do not deploy")]
)
def test_what_one_more_unit_would_turn_is_tested_further(lower, upper, word):
    found = replace(BETTER, lower=lower, upper=upper)
    firm = verdict(found, RULES, [found, found], support_is_known=True)
    assert firm.word == word
    turned = verdict(found, RULES, [found, replace(found, lower=-0.01, upper=0.02)], support_is_known=True)
    assert turned.word == "test further"
    assert turned.reasons[-1].endswith("the log lacks could make it 0.02, -0.01 to 0.02")
    weak = verdict(replace(found, clusters=3), RULES, [found], support_is_known=True)
    assert weak.word == "not enough evidence"
