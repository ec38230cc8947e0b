"""Guaranteed intervals know that weights are 1 in expectation."""

import numpy as np
import pytest
from tests.oracles.bandit_logs import heavy_tails

from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.results import Results, results
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.slate_sample import SlateSample

GUARANTEED = [interval for interval in INTERVALS.values() if interval.guaranteed]
RANGE = RewardRange(0.0, 1.0)


def drawn(rows, seed):
    """A log of ten arms, of which the target shows one nearly always, which is rewarded 3 times in 10."""
    generator = np.random.default_rng(seed)
    arm = generator.integers(0, 10, rows)
    target = np.where(arm == 0, 0.91, 0.01)
    reward = (generator.random(rows) < np.where(arm == 0, 0.3, 0.6)).astype(float)
    return Sample(reward, np.full(rows, 0.1), target)


def state_of(sample, rewards=RANGE):
    logged = type(sample)(sample.reward, sample.propensity, sample.propensity)
    names = ("ips", "snips") if isinstance(sample, Sample) else ("sips", "rips", "snrips")
    state = EvaluationState.initial(("p", "logged"), names, slots=sample.slots, rewards=rewards)
    return state.update([sample, logged], np.arange(sample.n, dtype=np.uint64))


def figures(state, interval, rewards=RANGE):
    return {(e.policy, e.reference, e.estimator): e for e in results(state, 0.95, interval, rewards)}


def test_what_weights_of_45_leave_of_an_interval():
    """1,000 users. As a mean of terms of up to 45 alone it is known no better than to 1.2 or so."""
    world = heavy_tails()
    samples, cluster = world.draw(1000, 1)
    state = EvaluationState.initial(tuple(world.policies), ("ips",), rewards=RANGE).update(samples, cluster)
    found = figures(state, INTERVALS["anytime"], RewardRange(0.0, 1.0, world.largest_weight))
    challenger = found["challenger", None, "ips"]
    assert (challenger.lower, challenger.upper) == pytest.approx((0.197, 0.802), abs=2e-3)


@pytest.mark.parametrize("interval", GUARANTEED, ids=lambda i: i.name)
def test_the_value_is_missed_no_more_often_than_it_may_be(interval):
    missed = 0
    for seed in range(60):
        found = Results(state_of(drawn(300, seed)), RANGE).figures(0, None, "ips", 0.95, interval)
        missed += not found["lower"] <= 0.91 * 0.3 + 0.09 * 0.6 <= found["upper"]
    assert missed <= 3


@pytest.mark.parametrize("interval", GUARANTEED, ids=lambda i: i.name)
def test_an_interval_holds_its_own_estimate_and_nothing_that_cannot_be(interval):
    for seed in range(5):
        for (_, reference, _), found in figures(state_of(drawn(200, seed)), interval).items():
            low, high = (-1.0, 1.0) if reference else (0.0, 1.0)
            assert low <= found.lower <= min(max(found.value, low), high) <= found.upper <= high


@pytest.mark.parametrize("interval", GUARANTEED, ids=lambda i: i.name)
def test_a_slate_is_worth_its_slots(interval):
    """Two slots of a reward of 0 to 1 each, with a constant 1 in the first: 1 to 2."""
    one = drawn(2000, 1)
    reward = np.stack([np.ones(one.n), one.reward], axis=1)
    propensity, target = (
        np.stack([p, np.full(one.n, 0.5)], axis=1) for p in (one.propensity, one.target_propensity)
    )
    found = figures(state_of(SlateSample(reward, propensity, target)), interval)
    for name in ("sips", "rips", "snrips"):
        line = found["p", None, name]
        assert 0 <= line.lower < 1.327 < line.upper <= 2


def test_bets_on_the_difference_to_the_logging_policy_are_bets_on_one_mean():
    """Where policies hardly differ, their difference is known far better than either value."""
    generator = np.random.default_rng(2)
    reward = (generator.random(2000) < 0.5).astype(float)
    sample = Sample(reward, np.full(2000, 0.5), np.where(np.arange(2000) % 2, 0.51, 0.49))
    found = figures(state_of(sample), INTERVALS["anytime"])
    value, difference = found["p", None, "ips"], found["p", "logged", "ips"]
    assert value.upper - value.lower > 0.08
    assert difference.upper - difference.lower < 0.02


def test_states_of_parts_merge_and_other_ranges_do_not():
    sample = drawn(300, 5)
    parts = [sample.take(slice(0, 100)), sample.take(slice(100, 300))]
    whole, (first, second) = state_of(sample), map(state_of, parts)
    np.testing.assert_allclose(first.merge(second).bets, whole.bets, rtol=1e-9, atol=1e-12)
    again = EvaluationState.from_arrays(whole.arrays())
    assert again.rewards == (0.0, 1.0)
    np.testing.assert_array_equal(again.bets, whole.bets)
    with pytest.raises(ValueError, match="cannot merge"):
        first.merge(state_of(parts[1], RewardRange(0.0, 2.0)))
