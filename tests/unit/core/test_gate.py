from dataclasses import replace

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators.diagnostics import Thresholds
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.gate import GateRule, decide

RULE = GateRule(
    alpha=0.05, margin=0.01, thresholds=Thresholds(min_ess=50, min_clusters=40, max_unsupported_share=0.1)
)
BETTER = Estimate(
    policy="challenger",
    reference="champion",
    estimator="dr",
    tuning=None,
    value=0.1,
    stderr=0.01,
    lower=0.08,
    upper=0.12,
    confidence=0.95,
    interval_method="bootstrap",
    n=1000,
    clusters=400,
    ess=200.0,
    max_weight=9.0,
    mean_weight=1.01,
    mean_weight_lower=0.95,
    mean_weight_upper=1.05,
    unsupported_share=0.0,
)


def test_a_challenger_that_clears_every_check_is_promoted():
    decision = decide(BETTER, RULE, look=1)
    assert decision.promote
    assert decision.reasons == ()
    assert decision.alpha_spent == pytest.approx(0.05 * 6 / np.pi**2)
    assert decision.lower == pytest.approx(0.1 - 1.876 * 0.01, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": 0.02}, "challenger minus champion by dr: lower bound 0.00125"),
        ({"value": None, "stderr": None}, "no lower bound: value None"),
        ({"stderr": None}, "standard error None"),
        ({"stderr": 0.0}, "standard error 0.0"),
        ({"stderr": float("nan")}, "standard error nan"),
        ({"stderr": float("inf")}, "standard error inf"),
        ({"value": float("nan")}, "value nan"),
        ({"clusters": 39}, "39 clusters are fewer than 40"),
        ({"ess": 49.9}, "effective sample size 49.9 is under 50"),
        ({"ess": None}, "effective sample size unknown is under 50"),
        ({"ess": float("nan")}, "effective sample size nan is under 50"),
        ({"unsupported_share": 0.2}, "could not show, 0.2, is over 0.1"),
        ({"unsupported_share": None}, "could not show, unknown, is over 0.1"),
        ({"mean_weight_lower": 1.01}, "mean importance weight, 1.01 (1.01 to 1.05), is not near 1"),
        ({"mean_weight_upper": 0.99}, "mean importance weight, 1.01 (0.95 to 0.99), is not near 1"),
        ({"mean_weight_upper": None}, "mean importance weight, 1.01 (0.95 to unknown)"),
        ({"max_weight": 60.0}, "one weight, 60, is 0.0594 of all weight"),
    ],
)
def test_each_check_keeps_the_champion_and_says_so(changes, reason):
    decision = decide(replace(BETTER, **changes), RULE, look=1)
    assert not decision.promote
    assert len(decision.reasons) == 1
    assert reason in decision.reasons[0]


def test_every_failed_check_is_named():
    nothing = replace(
        BETTER,
        value=None,
        stderr=None,
        n=0,
        clusters=0,
        ess=None,
        mean_weight_lower=None,
        mean_weight_upper=None,
        unsupported_share=None,
    )
    decision = decide(nothing, RULE, look=3)
    assert len(decision.reasons) == 5
    assert decision.lower is None


def test_limits_themselves_pass_and_the_margin_itself_does_not():
    at_limits = replace(BETTER, clusters=40, ess=50.0, unsupported_share=0.1, mean_weight_lower=1.0)
    assert decide(at_limits, RULE, look=1).promote
    lower = decide(BETTER, RULE, look=1).lower
    assert not decide(BETTER, replace(RULE, margin=lower), look=1).promote


def test_all_looks_and_comparisons_together_spend_alpha():
    spent = [3 * decide(BETTER, RULE, look, comparisons=3).alpha_spent for look in range(1, 20_001)]
    assert sum(spent) < RULE.alpha
    assert sum(spent) == pytest.approx(RULE.alpha, rel=1e-4)


def test_looking_every_night_at_growing_null_data_seldom_promotes():
    rule = GateRule(alpha=0.1)
    generator = np.random.default_rng(20)
    nights = np.arange(1, 41)
    trials = 1000
    means = np.cumsum(generator.normal(size=(trials, nights.size)), axis=1) / nights
    promoted = sum(
        any(
            decide(replace(BETTER, value=mean, stderr=night**-0.5), rule, int(night)).promote
            for night, mean in zip(nights, trial, strict=True)
        )
        for trial in means
    )
    naive = (means * np.sqrt(nights) > 1.2816).any(axis=1).sum()
    assert 0 < promoted <= rule.alpha * trials
    assert naive > 3 * rule.alpha * trials


@pytest.mark.parametrize(
    "settings",
    [{"alpha": 0}, {"alpha": 1}, {"margin": float("nan")}],
)
def test_rules_that_mean_nothing_are_refused(settings):
    with pytest.raises(InvalidInputError, match="the gate"):
        GateRule(**settings)


def test_only_differences_and_counted_looks_are_decided():
    with pytest.raises(InvalidInputError, match="needs a difference"):
        decide(replace(BETTER, reference=None), RULE, look=1)
    with pytest.raises(InvalidInputError, match="count from 1"):
        decide(BETTER, RULE, look=0)
