"""Policies that know which arms a user can get are weighed as such, one impression at a time by hand."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.ope.results import results
from nightslate.core.policies import EpsilonGreedy
from nightslate.core.policies.exploration import mix_floor
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import CrossFit
from nightslate.kernels.epsilon_sweeps import EpsilonSweeps
from nightslate.kernels.rewards import folds_of

from .taught import (
    ARMS,
    ENCODER,
    FOLDS,
    IMPRESSIONS,
    LEARNERS,
    MATURED,
    PLAIN,
    PROGRAM,
    evaluated,
    evaluator,
    fold_states,
    folding,
    tables_of,
    world,
)

FLOOR = 0.1


@pytest.fixture(scope="module")
def shown():
    """Impressions of one slot, of arms that were drawn evenly among those that each user could get."""
    impressions, credit = world()
    dice = np.random.default_rng(11)
    for row in impressions:
        arms = [arm for arm in ARMS if dice.random() < 0.6] or ["b"]
        row |= {
            "slot": 1,
            "eligible_arms": arms,
            "arm_id": str(dice.choice(arms)),
            "propensity": 1 / len(arms),
        }
    return impressions, credit


def value(impressions, credit, policy_of):
    """Of the policies that there are for the users of each fold, by importance weights."""
    rows = pa.Table.from_pylist(impressions, IMPRESSIONS)
    contexts, total = ENCODER(rows), 0.0
    for number, fold in enumerate(folds_of(user_keys(rows), PROGRAM, FOLDS)):
        row = impressions[number]
        places = np.array([ARMS.index(arm) for arm in row["eligible_arms"]])
        weights = mix_floor(policy_of(fold).among(places).weights(contexts[[number]]), FLOOR)[0].astype(float)
        chance = weights[row["eligible_arms"].index(row["arm_id"])] / weights.sum()
        total += chance / row["propensity"] * credit[row["impression_id"]]
    return total / len(impressions)


def of_ips(state):
    alone = (each for each in results(state) if each.estimator == "ips" and each.reference is None)
    return {each.policy: each.value for each in alone}


def test_values_are_those_of_policies_that_choose_among_what_each_user_can_get(shown):
    fold = folding(*shown)
    _, how = evaluator(fold)
    cross_fitted, found = evaluated(fold, replace(how, restricted=True), with_a_cohort=True)
    plain, _ = evaluated(fold, how)
    (progressive,) = found.estimates
    for name in LEARNERS:
        policies = how.crossfit.policies[name]
        expected = value(*shown, lambda fold, policies=policies: policies[fold])
        assert of_ips(cross_fitted)[name] == pytest.approx(expected, rel=1e-6)
        expected = value(*shown, lambda _, policies=policies: policies[0])
        assert of_ips(progressive)[name] == pytest.approx(expected, rel=1e-6)
    assert of_ips(cross_fitted)["linear"] != pytest.approx(of_ips(plain)["linear"], rel=1e-3)


def test_a_sweep_is_of_the_best_of_what_each_user_can_get(shown):
    fold = folding(*shown)
    _, how = evaluator(fold)
    learner = EpsilonGreedy(estimator="ridge", epsilon=0.0)
    policies = [learner.fit(state, PLAIN, 7) for state in fold_states(fold, {"greedy": learner})["greedy"]]
    crossfit = CrossFit({"greedy": policies}, how.crossfit.reward_model, how.crossfit.examination)
    sweeps = EpsilonSweeps.of(
        replace(how, restricted=True, crossfit=crossfit), {"greedy": (0.0, 0.5)}, PROGRAM
    )
    states = {**sweeps.initial(), **dict(sweeps.update(MATURED.rows(tables_of(*shown))))}
    found = of_ips(sweeps.found(states)["greedy"])
    for epsilon in (0.0, 0.5):
        of_fold = [replace(policy, epsilon=np.asarray(epsilon)) for policy in policies]
        expected = value(*shown, lambda fold, of_fold=of_fold: of_fold[fold])
        assert found[str(epsilon)] == pytest.approx(expected, rel=1e-6)
