import math
from dataclasses import replace

import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence import BETS, EProcess, Stakes
from nightslate.core.gate import Case, GateRule, decide
from nightslate.core.ope.diagnostics import Thresholds
from nightslate.core.ope.estimate import Estimate

RULE = GateRule(alpha=0.05, thresholds=Thresholds(min_ess=50, min_clusters=40, max_unsupported_share=0.1))
WEIGHED = Estimate(
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
NEEDED = 0.05 * 6 / np.pi**2
"""The part of the first challenger that joins."""


def case(log_capital, days=4, joined=1):
    """Evidence of some days that together are worth so much on every bet: 40 units a day that win .1 each."""
    evidence = EProcess(
        stakes=[Stakes(0.0, 2.0, margin=0.01)] * days,
        units=np.full(days, 40),
        totals=np.full(days, 4.0),
        log_growths=np.full((days, BETS.size), log_capital / max(days, 1)),
    )
    return Case("challenger", joined, evidence)


def test_a_challenger_that_clears_every_check_is_promoted():
    decision = decide(case(4.0), WEIGHED, RULE)
    assert decision.promote
    assert decision.reasons == ()
    assert decision.alpha == pytest.approx(NEEDED)
    assert decision.log_capital == pytest.approx(4.0)
    assert decision.difference == pytest.approx(0.2)  # .1 of a range of 2
    assert decision.lower > 0.01


@pytest.mark.parametrize("joined", [1, 2, 3])
def test_evidence_is_enough_at_one_over_alpha_and_no_sooner(joined):
    needed = -math.log(NEEDED / joined**2)
    assert decide(case(needed + 1e-9, joined=joined), WEIGHED, RULE).promote
    short = decide(case(needed - 1e-9, joined=joined), WEIGHED, RULE)
    assert not short.promote
    assert short.lower == pytest.approx(0.01, abs=1e-6)


def test_what_is_missing_is_said_with_its_numbers():
    (reason,) = decide(case(math.log(1.5)), WEIGHED, RULE).reasons
    assert reason == "the evidence for challenger is worth 1.5 after 4 days, and it takes 32.9"
    (reason,) = decide(case(0.0, days=0), WEIGHED, RULE).reasons
    assert reason == ("there is no evidence on challenger yet: no day is over whose models knew any reward")


def test_a_capital_beyond_all_numbers_is_enough():
    assert decide(case(5000.0), WEIGHED, RULE).promote
    assert not decide(case(-5000.0), WEIGHED, RULE).promote


def test_nothing_is_known_of_no_cohort():
    decision = decide(case(0.0, days=0), WEIGHED, RULE)
    assert (decision.log_capital, decision.difference, decision.lower) == (0.0, None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
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
def test_weights_that_can_not_say_so_keep_the_champion(changes, reason):
    decision = decide(case(4.0), replace(WEIGHED, **changes), RULE)
    assert not decision.promote
    assert len(decision.reasons) == 1
    assert reason in decision.reasons[0]


def test_every_failed_check_is_named():
    nothing = replace(
        WEIGHED,
        n=0,
        clusters=0,
        ess=None,
        mean_weight_lower=None,
        mean_weight_upper=None,
        unsupported_share=None,
    )
    assert len(decide(case(0.0, days=0), nothing, RULE).reasons) == 5


def test_limits_themselves_pass():
    at_limits = replace(WEIGHED, clusters=40, ess=50.0, unsupported_share=0.1, mean_weight_lower=1.0)
    assert decide(case(4.0), at_limits, RULE).promote


@pytest.mark.parametrize("alpha", [0, 1, float("nan")])
def test_rules_that_mean_nothing_are_refused(alpha):
    with pytest.raises(InvalidInputError, match="the gate"):
        GateRule(alpha=alpha)


def test_only_differences_are_decided():
    with pytest.raises(InvalidInputError, match="needs a difference"):
        decide(case(4.0), replace(WEIGHED, reference=None), RULE)
