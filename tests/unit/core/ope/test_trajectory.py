"""Estimators of trajectories on a process that is written out in full, every trajectory with its probability:
sums over them are exact expectations, and the truth is by dynamic programming."""

from functools import cache

import numpy as np
import pytest
from tests.unit.core.ope.worlds import draw, expectation

from nightslate.core.hashing import mix
from nightslate.core.ope import BANDIT_ESTIMATORS, ESTIMATORS, SLATE_ESTIMATORS, TRAJECTORY_ESTIMATORS
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample

START = np.array([0.6, 0.4])
MOVES = np.array([[[0.5, 0.2, 0.3], [0.1, 0.7, 0.2]], [[0.3, 0.3, 0.4], [0.6, 0.4, 0.0]]])
"""State, action, next state; the last is the end."""
REWARDS = np.array([[[1.0, 0.0, 2.0], [0.5, -1.0, 0.0]], [[3.0, 1.0, 0.0], [0.0, 2.0, 0.0]]])
LOGGING = np.array([[0.7, 0.3], [0.4, 0.6]])
TARGET = np.array([[0.2, 0.8], [0.9, 0.1]])
STEPS, END = 3, 2

every_trajectory_estimator = pytest.mark.parametrize("name", list(TRAJECTORY_ESTIMATORS))
every_discount = pytest.mark.parametrize("discount", [1.0, 0.7])


def wrong_model(step, state, action):
    return np.sin(1 + step + 3 * state + 5 * action)


def no_model(step, state, action):
    return 0.0 * step


def right_model(discount):
    """What is to come from a step on, under the target: by dynamic programming."""

    @cache
    def q(step, state, action):
        later = [
            0.0 if end == END or step == STEPS else sum(TARGET[end, a] * q(step + 1, end, a) for a in (0, 1))
            for end in range(3)
        ]
        return float(MOVES[state, action] @ (REWARDS[state, action] + discount * np.array(later)))

    return q


def truth(discount):
    q = right_model(discount)
    return sum(START[s] * TARGET[s, a] * q(1, s, a) for s in (0, 1) for a in (0, 1))


def trajectories(step=1, states=START):
    """Every sequence of (state, action, reward) under the logging policy, with its probability."""
    for state in np.flatnonzero(states):
        for action in (0, 1):
            for end in np.flatnonzero(MOVES[state, action]):
                first = (int(state), action, REWARDS[state, action, end])
                chance = states[state] * LOGGING[state, action] * MOVES[state, action, end]
                if end == END or step == STEPS:
                    yield chance, [first]
                else:
                    for later, rest in trajectories(step + 1, np.eye(2)[end]):
                        yield chance * later, [first, *rest]


def rows(discount, model, believed=LOGGING, order=slice(None)):
    """Probabilities (n,) and the sample of all trajectories, of rows in some order."""
    chances, paths = zip(*trajectories(), strict=True)
    table = [(i, t, *row) for i, path in enumerate(paths) for t, row in enumerate(path, 1)]
    trajectory, step, state, action, reward = (np.array(column)[order] for column in zip(*table, strict=True))
    q = np.array([[model(t, s, a) for a in (0, 1)] for t, s in zip(step, state, strict=True)])
    at = np.arange(len(q)), action
    columns = {
        "reward": reward,
        "propensity": believed[state, action],
        "target_propensity": TARGET[state, action],
        "q_logged": q[at],
        "v_target": (TARGET[state] * q).sum(axis=1),
    }
    return np.array(chances), TrajectorySample.of_rows(trajectory, step, columns, STEPS, discount)


def values(sample):
    """Each trajectory estimator's value, of trajectories that are all as likely."""
    return {
        name: expectation(estimator, sample, np.ones(sample.n))
        for name, estimator in TRAJECTORY_ESTIMATORS.items()
    }


def test_the_process_is_sound():
    chance, sample = rows(1.0, wrong_model)
    assert chance.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(chance @ sample.cumulative_weight, np.ones(STEPS), atol=1e-13)
    assert {1, 2, 3} == set((sample.propensity < 1).sum(axis=1))


@every_trajectory_estimator
@every_discount
@pytest.mark.parametrize("model", [no_model, wrong_model], ids=["no", "wrong"])
def test_right_propensities_give_the_true_value_whatever_the_model(name, discount, model):
    chance, sample = rows(discount, model)
    error = expectation(ESTIMATORS[name], sample, chance) - truth(discount)
    if name == "fqe":
        assert abs(error) > 0.01
    else:
        assert error == pytest.approx(0, abs=1e-12)


@every_trajectory_estimator
@every_discount
def test_a_right_model_saves_what_uses_it_from_wrong_propensities(name, discount):
    chance, sample = rows(discount, right_model(discount), believed=np.full((2, 2), 0.5))
    error = expectation(ESTIMATORS[name], sample, chance) - truth(discount)
    assert (abs(error) < 1e-12) == (name in ("traj_dr", "fqe"))
    assert abs(error) < 1e-12 or abs(error) > 0.01


def test_later_rewards_make_tis_vary_and_a_right_model_makes_nothing_vary_but_rewards():
    chance, sample = rows(1.0, right_model(1.0))

    def variance(name):
        ((terms, _),) = ESTIMATORS[name].terms(sample, np.inf)
        return chance @ terms**2 - (chance @ terms) ** 2

    assert variance("traj_dr") < variance("pdis") < variance("tis")


def test_two_trajectories_by_hand():
    """Weights 2, 1 (and 1 after its end) of the first; 0.5 of the second, which ends after one step."""
    columns = {
        "reward": np.array([4.0, 8.0, 10.0]),
        "propensity": np.array([0.25, 0.8, 0.6]),
        "target_propensity": np.array([0.5, 0.4, 0.3]),
        "q_logged": np.array([3.0, 6.0, 7.0]),
        "v_target": np.array([5.0, 4.0, 1.0]),
    }
    sample = TrajectorySample.of_rows(np.array([0, 0, 1]), np.array([1, 2, 1]), columns, 2, discount=0.5)
    np.testing.assert_allclose(sample.cumulative_weight, [[2, 1], [0.5, 0.5]])
    np.testing.assert_array_equal(sample.reward, [[4, 4], [10, 0]])
    np.testing.assert_allclose(sample.ess_by_step, [2.5**2 / 4.25, 1.5**2 / 1.25])
    first = 2 * (4 - 3) + 5 + 0.5 * (1 * (8 - 6) + 2 * 4)
    assert values(sample) == pytest.approx(
        {
            "tis": (1 * 8 + 0.5 * 10) / 2,
            "pdis": (2 * 4 + 1 * 4 + 0.5 * 10) / 2,
            "sntis": (1 * 8 + 0.5 * 10) / 1.5,
            "snpdis": (2 * 4 + 0.5 * 10) / 2.5 + (1 * 4 + 0.5 * 0) / 1.5,
            "traj_dr": (first + 0.5 * (10 - 7) + 1) / 2,
            "fqe": (5 + 1) / 2,
        },
        rel=1e-14,
    )


def test_the_order_of_rows_is_nothing():
    _, sample = rows(0.7, wrong_model)
    count = sum(len(path) for _, path in trajectories())
    _, again = rows(0.7, wrong_model, order=np.random.default_rng(1).permutation(count))
    for field in sample.fields:
        np.testing.assert_array_equal(getattr(again, field), getattr(sample, field))


def test_trajectories_of_one_step_are_impressions():
    bandit = draw("dr")
    columns = {field: getattr(bandit, field) for field in bandit.fields}
    sample = TrajectorySample.of_rows(np.arange(bandit.n), np.ones(bandit.n, int), columns, 1, discount=0.3)
    same = {"tis": "ips", "pdis": "ips", "sntis": "snips", "snpdis": "snips", "traj_dr": "dr", "fqe": "dm"}
    assert isinstance(bandit, Sample)
    for name, value in values(sample).items():
        other = expectation(BANDIT_ESTIMATORS[same[name]], bandit, np.ones(bandit.n))
        assert value == pytest.approx(other, rel=1e-13)


def test_trajectories_without_discount_are_slates():
    _, sample = rows(1.0, wrong_model)
    slates = SlateSample(**{field: getattr(sample, field) for field in sample.fields})
    same = {"tis": "sips", "pdis": "rips", "sntis": "snsips", "snpdis": "snrips", "traj_dr": "cascade_dr"}
    found = values(sample)
    for name, other in same.items():
        assert found[name] == expectation(SLATE_ESTIMATORS[other], slates, np.ones(slates.n))
    _, discounted = rows(0.7, wrong_model)
    assert all(abs(value - found[name]) > 0.01 for name, value in values(discounted).items() if name != "fqe")
    assert values(discounted)["fqe"] == found["fqe"]


def test_customers_of_several_trajectories_are_the_evidence():
    """Each trajectory three times: as one cluster it is what it was once, as three it is taken for more."""
    _, once = rows(0.7, wrong_model)
    key = mix(np.arange(once.n, dtype=np.uint64), 0)
    thrice = once.take(np.tile(np.arange(once.n), 3))
    cases = ((once, key), (thrice, np.tile(key, 3)), (thrice, mix(np.arange(3 * once.n, dtype=np.uint64), 0)))
    empty = EvaluationState.initial(("target",), list(TRAJECTORY_ESTIMATORS), slots=STEPS)
    lines = [results(empty.update([sample], cluster), interval=None) for sample, cluster in cases]
    for alone, together, apart in zip(*lines, strict=True):
        assert (alone.clusters, together.clusters, apart.clusters) == (once.n, once.n, 3 * once.n)
        assert alone.value == pytest.approx(values(once)[alone.estimator], rel=1e-12)
        if alone.estimator == "fqe":  # a model's own word, whose error nobody knows
            assert alone.stderr is together.stderr is apart.stderr is None
            continue
        assert together.stderr == pytest.approx(alone.stderr, rel=1e-9)
        assert apart.stderr < 0.8 * alone.stderr
