"""Which estimators and intervals a program may ask for, and which it has when it asks for none."""

from datetime import date

import pytest
from pydantic import ValidationError

from nightslate.core.ope import BANDIT_ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.ope.intervals import INTERVALS
from nightslate.programs import Program
from nightslate.programs.evaluation import (
    NEEDS_RANGE,
    OF_DECISIONS,
    OF_IMPRESSIONS,
    Evaluation,
    Interval,
    require_known_rewards,
)
from nightslate.programs.units import DECISION, IMPRESSION


def issue(propensity="marginal", slots=2, gate=None, maturity="exclude", **evaluation):
    return Program(
        program="shop",
        description="a shop",
        start_date=date(2026, 11, 16),
        slots=slots,
        depth=3,
        logs={"propensity": propensity},
        rewards={"values": {"click": 1.0}, "window": "12h", "maturity": maturity},
        learners={"uniform": {"kind": "uniform"}},
        floor=0.1,
        variants={"all": {"share": 1.0, "policy": "uniform"}},
        evaluation=evaluation,
        gate={"first_champion": "uniform", **(gate or {})},
    ).only_issue


def refusal(**changed):
    with pytest.raises(ValidationError) as caught:
        issue(**changed)
    return str(caught.value)


def test_the_names_are_those_of_core():
    assert set(OF_IMPRESSIONS) < set(BANDIT_ESTIMATORS)
    assert set(OF_DECISIONS) < set(SLATE_ESTIMATORS)
    assert set(Interval.__args__) == set(INTERVALS)
    assert set(NEEDS_RANGE) == {name for name, interval in INTERVALS.items() if interval.guaranteed}


@pytest.mark.parametrize(("propensity", "slots"), [("marginal", 2), ("marginal", 1), ("conditional", 1)])
def test_impressions_stand_alone_where_their_propensities_do(propensity, slots):
    alone = issue(propensity, slots)
    assert (alone.unit, alone.slots_weighed) == (IMPRESSION, 1)
    assert (alone.estimators, alone.judged_by) == (("ips", "snips", "dr"), "dr")


def test_decisions_are_weighed_whole_where_slots_depend_on_one_another():
    whole = issue("conditional", 2)
    assert (whole.unit, whole.slots_weighed) == (DECISION, 2)
    assert (whole.estimators, whole.judged_by) == (("sips", "rips", "snrips", "cascade_dr"), "cascade_dr")


def test_a_program_names_its_own():
    own = issue(estimators=["snips", "dros"], gate={"estimator": "snips"})
    assert (own.estimators, own.judged_by) == (("snips", "dros"), "snips")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"estimators": ["rips"]}, "can't weigh single impressions"),
        (
            {"propensity": "conditional", "estimators": ["rips", "dr"]},
            "['dr'] can't weigh decisions of several slots",
        ),
        ({"estimators": ["mips", "dr"]}, "estimators.0"),
        ({"estimators": ["dr", "dr"]}, "named twice"),
        ({"estimators": ["ips"]}, "gate.estimator: 'dr' is not one of ['ips']"),
        ({"gate": {"estimator": "sndr"}}, "gate.estimator: 'sndr' is not one of"),
        ({"estimators": ["dros", "dr"], "gate": {"estimator": "dros"}}, "gate.estimator: dros has a bias"),
        ({"interval": "hoeffding"}, "reward_range: the interval hoeffding needs"),
        ({"reward_range": [1.0, 0.0]}, "reward_range: 1.0 is not under 0.0"),
        ({"interval": "guess"}, "interval"),
        ({"interval": "empirical_likelihood"}, "empirical_likelihood was taken out"),
    ],
)
def test_what_does_not_fit_is_refused(changed, says):
    assert says in refusal(**changed)


def test_a_guaranteed_interval_comes_with_its_range():
    assert issue(interval="anytime", reward_range=[0, 1.5]).evaluation.reward_range == (0, 1.5)


@pytest.mark.parametrize("interval", NEEDS_RANGE)
def test_nothing_is_guaranteed_of_rewards_that_are_estimates(interval):
    guaranteed, usual = Evaluation(interval=interval, reward_range=[0, 1]), Evaluation(reward_range=[0, 1])
    known, estimated = (issue(maturity=maturity).rewards for maturity in ("exclude", "ipcw"))
    with pytest.raises(ValueError, match=f"{interval} is guaranteed for rewards that are known"):
        require_known_rewards(guaranteed, estimated)
    require_known_rewards(guaranteed, known)
    require_known_rewards(usual, estimated)
    assert f"evaluation.interval: {interval} is guaranteed" in refusal(
        maturity="ipcw", interval=interval, reward_range=[0, 1]
    )
