"""Intervals do not depend on how rows are split."""

from functools import reduce

import numpy as np
import pytest
from tests.oracles.bandit_logs import clustered_users

from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.results import results

ESTIMATORS = ("ips", "snips", "sndr", "dros")
WORLD = clustered_users()
SAMPLES, CLUSTER = WORLD.draw(users=150, seed=3)
REWARDS = RewardRange(0.0, 1.0, WORLD.largest_weight)


def figures(state, interval):
    estimates = results(state, interval=interval, rewards=REWARDS)
    return np.array([(e.value, e.stderr, e.lower, e.upper) for e in estimates])


def state(rows):
    empty = EvaluationState.initial(tuple(WORLD.policies), ESTIMATORS)
    return empty.update([sample.take(rows) for sample in SAMPLES], CLUSTER[rows])


def merged(parts, order):
    states = [state(np.flatnonzero(parts == k)) for k in range(8)]
    return reduce(EvaluationState.merge, (states[k] for k in order))


@pytest.mark.parametrize("interval", list(INTERVALS.values()), ids=list(INTERVALS))
def test_eight_parts_in_any_order_are_one_pass(interval):
    whole = figures(state(slice(None)), interval)
    assert np.isfinite(whole).all()
    by_cluster = CLUSTER % np.uint64(8)
    for order in (range(8), (3, 1, 7, 0, 5, 6, 2, 4)):
        np.testing.assert_allclose(figures(merged(by_cluster, order), interval), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "interval", [i for i in INTERVALS.values() if not i.guaranteed], ids=lambda i: i.name
)
def test_approximate_intervals_are_the_same_where_clusters_are_cut(interval):
    cut = np.arange(CLUSTER.size) % 8
    whole = figures(state(slice(None)), interval)
    np.testing.assert_allclose(figures(merged(cut, range(8)), interval), whole, rtol=1e-9, atol=1e-9)
