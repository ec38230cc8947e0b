"""What a learner is worth at each epsilon, against as many policies that are evaluated one by one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.kernels import taught
from tests.unit.kernels.taught import ARMS, ENCODER, MATURED, PLAIN, PROGRAM

from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.results import results
from nightslate.core.policies import EpsilonGreedy, LinearThompson
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.epsilon_sweeps import EpsilonSweeps, best_epsilon, epsilons_between

GRID = epsilons_between(0.1, 0.4)
LEARNERS = {"greedy": EpsilonGreedy("ridge", epsilon=0.0), "other": EpsilonGreedy("ridge", {"alpha": 9.0})}


def crossfit(fold):
    states = taught.fold_states(fold, {**LEARNERS, "model": LinearThompson(draws=1)})
    fitted = {
        name: [learner.fit(state, PLAIN, 7) for state in states[name]] for name, learner in LEARNERS.items()
    }
    model = [LinearThompson(draws=1).fit(state, PLAIN, 0) for state in states["model"]]
    return CrossFit(fitted, model)


def evaluator(fits, estimators=("dr",), slots=1):
    return Evaluator(ARMS, np.ones(3, np.bool_), ENCODER, 0.1, estimators, slots, fits)


def of_rows(how, fold):
    return fold(how.initial(), lambda tables: how.update(MATURED.rows(tables)))


def test_an_epsilon_is_a_policy_like_any_other():
    fold = taught.folding(*taught.world(), buckets=3)
    fits = crossfit(fold)
    sweeps = EpsilonSweeps.of(evaluator(fits), {"greedy": GRID, "other": (0.5, 1.0)}, PROGRAM)
    found = sweeps.found(of_rows(sweeps, fold))
    for name, epsilons in (("greedy", GRID), ("other", (0.5, 1.0))):
        one_by_one = {
            str(epsilon): [replace(policy, epsilon=np.asarray(epsilon)) for policy in fits.policies[name]]
            for epsilon in epsilons
        }
        how = evaluator(replace(fits, policies=one_by_one))
        nothing = how.initial(PROGRAM)
        state = fold(
            {"all": nothing},
            lambda tables, how=how, nothing=nothing: [
                ("all", how.weigh(nothing, MATURED.rows(tables), PROGRAM))
            ],
        )["all"]
        assert taught.figures(results(found[name])) == taught.figures(results(state))


def test_what_is_chosen_among_lies_between_the_ends_and_nothing_to_compare_with():
    assert GRID[0] == 0.0
    np.testing.assert_allclose(GRID[1:], np.linspace(0.1, 0.4, 10))
    assert epsilons_between(0.0, 0.9)[:2] == (0.0, pytest.approx(0.1))


@pytest.mark.parametrize(
    ("lower", "chosen"),
    [
        ({0.0: 9.0, 0.1: 1.0, 0.2: 2.0, 0.4: 1.5, 0.5: 8.0}, 0.2),
        ({0.0: 9.0, 0.1: -3.0, 0.2: -2.0, 0.4: -2.0}, 0.4),
        ({0.0: 9.0, 0.1: None, 0.2: 0.5, 0.4: None}, 0.2),
        ({0.0: 9.0, 0.1: None, 0.2: None, 0.4: None}, 0.4),
        ({}, 0.4),
    ],
)
def test_the_highest_lower_end_is_taken_and_where_nothing_is_known_the_most(lower, chosen):
    swept = [SimpleNamespace(policy=str(epsilon), lower=bound) for epsilon, bound in lower.items()]
    assert best_epsilon(swept, 0.1, 0.4) == chosen


def shop(noise, number, rows=600):
    """Logs at random of three arms of which one is better by 1, with rewards that vary by so much."""
    dice = np.random.default_rng(number)
    impressions = [
        {
            "impression_id": f"i{row}",
            "decision_id": f"i{row}",
            "user_id": taught.user(row),
            "occurred_at": taught.NOON,
            "slot": 1,
            "arm_id": ARMS[arm],
            "propensity": 1 / 3,
            "propensity_kind": "marginal",
            "colour": "red",
        }
        for row, arm in enumerate(dice.integers(0, 3, rows))
    ]
    means = {"a": 0.0, "b": 1.0, "c": 0.0}
    credit = {row["impression_id"]: dice.normal(means[row["arm_id"]], noise) for row in impressions}
    return taught.folding(impressions, credit)


def test_the_more_rewards_vary_the_more_is_explored():
    """Over twenty shops each; exploring costs up to 2/3 an impression."""
    grid, chosen = epsilons_between(0.02, 0.9), {}
    for noise in (0.1, 3.0, 12.0):
        found = []
        for number in range(20):
            fold = shop(noise, number)
            sweeps = EpsilonSweeps.of(evaluator(crossfit(fold)), {"greedy": grid}, PROGRAM)
            state = sweeps.found(of_rows(sweeps, fold))["greedy"]
            swept = [
                e for e in results(state, interval=Delta()) if e.reference is None and e.policy != "logged"
            ]
            found.append(best_epsilon(swept, 0.02, 0.9))
        chosen[noise] = np.mean(found), np.std(found) / np.sqrt(len(found))
    assert chosen[0.1][0] == pytest.approx(0.02)
    assert chosen[3.0][0] < chosen[12.0][0]
    assert chosen[12.0][0] - 3 * chosen[12.0][1] > chosen[0.1][0] + 0.1
