"""Costs of arms in training and evaluation, against credits that somebody else took them off."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.kernels import taught
from tests.unit.kernels.taught import ARMS, DS, ENCODER, FOLDS, LEARNERS, MATURED, PLAIN, PROGRAM, SURFACES

from nightslate.core.evidence import Stakes
from nightslate.core.ope.results import results
from nightslate.core.policies import Popularity
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.examination import Examination
from nightslate.kernels.progressive import Cohort, Cohorts, Progressive
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import Earned, Lessons

COSTS = {"a": 0.5, "c": 2.0, "gone": 0.25, "never shown": 7.0}
DEAR = replace(MATURED, costs=COSTS)


def less_costs(impressions, credit):
    """Every impression has a credit here, so taking its cost off that is all there is to do."""
    return {
        row["impression_id"]: credit[row["impression_id"]] - COSTS.get(row["arm_id"], 0.0)
        for row in impressions
    }


def evaluator(crossfit, estimators, costs):
    return Evaluator(ARMS, np.ones(3, np.bool_), ENCODER, 0.1, estimators, 1, crossfit, costs=costs)


def states(fold, matured, examined=()):
    lessons = Lessons(matured, LEARNERS, ENCODER, ARMS, FOLDS, examined)
    return lessons.states(fold(lessons.initial(), lambda tables: lessons.update(matured.rows(tables))))


def evaluated(fold, matured, costs, examination=()):
    """Estimates, cross-fitted and of a cohort, and the evidence."""
    fitted = {
        name: [LEARNERS[name].fit(state, PLAIN, 7) for state in of_folds]
        for name, of_folds in states(fold, matured, examination).items()
    }
    crossfit = CrossFit(fitted, fitted["linear"], examination)
    how = evaluator(crossfit, ("ips", "snips", "dm", "dr"), costs)
    models = {name: ScoredBy(name, "0" * 64, ARMS, ENCODER, fitted[name][0]) for name in LEARNERS}
    cohorts = Cohorts(tuple(LEARNERS), {DS: Cohort(models, Stakes(-2.0, 2.0, max_units=4))})
    how = Progressive(cohorts, how, frozenset(ARMS), PROGRAM)
    found = fold(how.initial(), lambda tables: how.update(matured.rows(tables)))
    state, progressive = how.found(found)
    estimates = taught.figures(results(state)), [taught.figures(results(s)) for s in progressive.estimates]
    terms = {pair: term.total for pair, term in progressive.evidence.terms.items()}
    return estimates, terms


def test_costs_are_a_part_of_what_everything_is_taught_and_judged_by():
    impressions, credit = taught.world()
    ours = evaluated(taught.folding(impressions, credit), DEAR, COSTS)
    by_hand = evaluated(taught.folding(impressions, less_costs(impressions, credit)), MATURED, {})
    assert ours == by_hand
    assert ours != evaluated(taught.folding(impressions, credit), MATURED, {})


def test_what_impressions_have_earned_is_less_costs():
    impressions, credit = taught.world()
    known = Earned.of(DEAR.rows(taught.tables_of(impressions, credit)))
    by_hand = less_costs(impressions, credit).values()
    assert known.range == (min(by_hand), max(by_hand))


def test_a_cost_does_not_grow_with_looks():
    """An arm that earns 1 whenever it is looked at, in slots of which the second is so half of the time, is
    worth 1 less its cost in the first slot and 1/2 less its cost in the second. A model that has learnt just
    that leaves nothing to correct, so the doubly robust estimate is the model's."""
    impressions, _ = taught.world()
    fold = taught.folding(impressions, {row["impression_id"]: 1.0 / row["slot"] for row in impressions})
    half = (Examination(SURFACES, np.array([[1.0, 0.5]] * 2)),) * FOLDS
    mean = Popularity(1e-9)
    lessons = Lessons(DEAR, {"mean": mean}, ENCODER, ARMS, FOLDS, half)
    state = lessons.states(fold(lessons.initial(), lambda tables: lessons.update(DEAR.rows(tables))))
    learnt = mean.fit(state["mean"][0], PLAIN, 0)
    np.testing.assert_allclose(learnt.expected, [0.5, 1.0, -1.0], atol=1e-6)

    how = evaluator(CrossFit({"mean": [learnt] * FOLDS}, [learnt] * FOLDS, half), ("dm", "dr"), COSTS)
    models = {"mean": ScoredBy("mean", "0" * 64, ARMS, ENCODER, learnt)}
    cohorts = Cohorts(("mean",), {DS: Cohort(models, None)})
    progressive = Progressive(cohorts, how, frozenset(ARMS), PROGRAM)
    found = fold(progressive.initial(), lambda tables: progressive.update(DEAR.rows(tables)))
    cross_fitted, of_cohorts = progressive.found(found)
    came = np.mean([1.0 / row["slot"] - COSTS.get(row["arm_id"], 0.0) for row in impressions])
    for state in (cross_fitted, *of_cohorts.estimates):
        value = {(e.policy, e.estimator): e.value for e in results(state) if e.reference is None}
        assert value["mean", "dr"] == pytest.approx(value["mean", "dm"], abs=1e-6)
        assert value["logged", "dr"] == pytest.approx(came)

    np.testing.assert_array_equal(how.costs_apart(("c", "b")), [2.0, 0.0])
    assert replace(how, costs={}).costs_apart(ARMS) is None
    assert replace(how, crossfit=replace(how.crossfit, examination=())).costs_apart(ARMS) is None
