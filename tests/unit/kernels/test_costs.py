"""Costs of arms in training and evaluation, against credits that somebody else took them off."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels import taught
from tests.unit.kernels.taught import ARMS, DS, ENCODER, FOLDS, LEARNERS, MATURED, PLAIN, PROGRAM, SURFACES

from nightslate.core.evidence import Stakes
from nightslate.core.ope.results import results
from nightslate.core.policies import Popularity
from nightslate.core.policies.exposure import solve
from nightslate.core.policies.exposure_goals import Budget, Unmoved
from nightslate.core.policies.exposure_prices import reward_prices
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.examination import Examination
from nightslate.kernels.exposure import expected_reward, exposures, floor_exposures
from nightslate.kernels.progressive import Cohort, Cohorts, Progressive
from nightslate.kernels.scoring import ScoredBy, Scoring
from nightslate.kernels.slate_weights import WeightAdjustment
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


class Constant:
    """Shows everyone the arms as often, and expects what another model does."""

    def __init__(self, shares, expects):
        self.shares, self.expected_rewards = np.array(shares), expects.expected_rewards

    def weights(self, contexts):
        return np.tile(self.shares, (len(contexts), 1))


def test_what_one_more_of_a_budget_is_worth_is_less_what_it_costs():
    """One more c takes the place of the others as they are shown, and each is worth the mean of what its rows
    earned less its cost."""
    impressions, credit = taught.world()
    mean, shares = Popularity(1e-9), {"a": 0.2, "b": 0.3, "c": 0.5}
    fold = taught.folding(impressions, credit)
    lessons = Lessons(DEAR, {"mean": mean}, ENCODER, ARMS, 1)
    learnt = lessons.states(fold(lessons.initial(), lambda tables: lessons.update(DEAR.rows(tables))))
    model = Constant(list(shares.values()), mean.fit(learnt["mean"][0], PLAIN, 0))
    people = pa.table(
        {"user_id": [taught.user(number) for number in range(40)], "colour": ["red", None] * 20}
    )
    assignment = Assignment.at_first(PROGRAM, {"all": 1.0}, DS)
    scored = ScoredBy("mean", "0" * 64, ARMS, ENCODER, model)
    how = Scoring(PROGRAM, "all", DS, 1, 0.1, assignment, {"all": scored})
    chosen = pa.concat_tables(how.choices(people, expecting=True))

    def both(multipliers):
        tilted = WeightAdjustment(multipliers=dict(zip(ARMS, multipliers.tolist(), strict=True)))
        now, everyone = replace(how, adjustment=tilted), frozenset({"all"})
        return exposures(chosen, now, everyone, ARMS, 1), expected_reward(chosen, now, everyone, 1)

    budget = Budget("calls", np.array([0.0, 0.0, 1.0]), 12.0)
    unmoved = Unmoved(np.zeros(3), floor_exposures(chosen, how, frozenset({"all"}), ARMS))
    solution = solve((), lambda m: both(m)[0], 1, np.ones(3), budgets=(budget,), unmoved=unmoved)
    (price,) = reward_prices((), (budget,), solution, both)
    worth = {
        arm: np.mean([credit[row["impression_id"]] for row in impressions if row["arm_id"] == arm])
        - COSTS.get(arm, 0.0)
        for arm in ARMS
    }
    others = (0.2 * worth["a"] + 0.3 * worth["b"]) / 0.5
    assert price == pytest.approx(worth["c"] - others, rel=1e-3)
    assert price < -1  # before its cost of 2 it would be worth more than nothing
