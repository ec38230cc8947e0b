from itertools import permutations

import numpy as np
import pytest
from tests.unit.core.ope.test_evaluation_state import POLICIES, ROWS, empty, samples
from tests.unit.core.ope.worlds import expectation

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import BANDIT_ESTIMATORS
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS, Delta
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample

REWARDS = RewardRange(-10.0, 10.0)


def by_name(estimates):
    return {(e.policy, e.reference, e.estimator): e for e in estimates}


def test_values_and_diagnostics_are_those_of_all_rows():
    of_policies, cluster = samples()
    estimates = by_name(results(empty().update(of_policies, cluster), 0.9))
    assert len(estimates) == (3 + 6) * len(BANDIT_ESTIMATORS)
    for policy, sample in zip(POLICIES, of_policies, strict=True):
        weight = sample.weight
        for name, estimator in BANDIT_ESTIMATORS.items():
            estimate = estimates[policy, None, name]
            tuning = np.inf if estimate.tuning is None else estimate.tuning
            assert tuning in estimator.tunings
            assert estimate.value == pytest.approx(expectation(estimator, sample, np.ones(ROWS), tuning))
            assert (estimate.n, estimate.clusters) == (ROWS, np.unique(cluster).size)
            assert estimate.ess == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
            assert estimate.max_weight == weight.max()
            assert estimate.mean_weight == pytest.approx(weight.mean())
            assert estimate.mean_weight_lower < estimate.mean_weight < estimate.mean_weight_upper
            assert estimate.unsupported_share == pytest.approx(sample.unsupported_mass.mean())
            if name == "dm":
                assert estimate.stderr is estimate.lower is estimate.upper is None
                assert (
                    estimate.remark == "nothing tells how far off a model alone is, so there is no interval"
                )
            else:
                assert estimate.lower < estimate.value < estimate.upper
            assert (estimate.confidence, estimate.interval_method) == (0.9, "bootstrap")


@pytest.mark.parametrize("name", list(INTERVALS))
def test_differences_are_differences_of_values_and_mirror_each_other(name):
    state = empty().update(*samples())
    estimates = by_name(results(state, interval=INTERVALS[name], rewards=REWARDS))
    for policy, reference in permutations(POLICIES, 2):
        for estimator in BANDIT_ESTIMATORS:
            ahead, behind = estimates[policy, reference, estimator], estimates[reference, policy, estimator]
            values = [estimates[p, None, estimator].value for p in (policy, reference)]
            assert ahead.value == pytest.approx(values[0] - values[1], abs=1e-12)
            if estimator != "dm":
                assert ahead.lower == pytest.approx(-behind.upper, abs=1e-6)
            assert ahead.ess == estimates[policy, None, estimator].ess


@pytest.mark.parametrize("name", [name for name, interval in INTERVALS.items() if not interval.guaranteed])
def test_a_policy_does_not_differ_from_its_twin(name):
    of_policies, cluster = samples()
    state = empty().update([of_policies[0], of_policies[0], of_policies[2]], cluster)
    estimates = by_name(results(state, interval=INTERVALS[name]))
    for estimator in BANDIT_ESTIMATORS.keys() - {"dm"}:
        twin = estimates["challenger", "champion", estimator]
        figures = (twin.value, twin.stderr, twin.lower, twin.upper)
        np.testing.assert_allclose(figures, 0, atol=1e-12)


def test_the_unsupported_share_without_masses_is_what_the_mean_weight_lacks():
    """Half of the target's probability is on an arm that the logs never show."""
    rows = 1000
    sample = Sample(np.ones(rows), np.full(rows, 0.5), np.full(rows, 0.25))
    cluster = np.arange(rows, dtype=np.uint64)
    estimate = results(EvaluationState.initial(("p",), ["ips"]).update([sample], cluster))[0]
    assert estimate.unsupported_share == pytest.approx(0.5)
    more = Sample(np.ones(rows), np.full(rows, 0.5), np.ones(rows))
    assert results(EvaluationState.initial(("p",), ["ips"]).update([more], cluster))[0].unsupported_share == 0


def test_users_that_repeat_themselves_are_not_counted_as_evidence():
    """60 users with 10 rows each, all rows of a user alike: the standard error is that of users."""
    generator = np.random.default_rng(1)
    reward = np.repeat(generator.normal(size=60), 10)
    sample = Sample(reward, np.ones(600), np.ones(600))
    stderr = {}
    for name, cluster in (("users", np.repeat(np.arange(60), 10)), ("rows", np.arange(600))):
        state = EvaluationState.initial(("p",), ["ips"]).update([sample], cluster.astype(np.uint64))
        stderr[name] = results(state, interval=Delta())[0].stderr
    assert stderr["users"] == pytest.approx(reward[::10].std(ddof=1) / np.sqrt(60), rel=0.1)
    assert stderr["rows"] == pytest.approx(reward.std() / np.sqrt(600), rel=0.1)


def test_no_rows_give_no_figures():
    for estimate in results(empty().update(*samples(rows=0))):
        assert estimate.n == estimate.clusters == 0
        figures = (estimate.value, estimate.stderr, estimate.lower, estimate.upper, estimate.ess)
        weights = (estimate.mean_weight, estimate.mean_weight_lower, estimate.mean_weight_upper)
        assert {*figures, *weights, estimate.max_weight, estimate.unsupported_share} == {None}


def test_one_user_gives_a_value_but_no_interval():
    of_policies, cluster = samples(rows=5)
    for estimate in results(empty().update(of_policies, np.full_like(cluster, 7))):
        assert estimate.value is not None
        assert estimate.stderr is estimate.lower is estimate.mean_weight_lower is None


def test_a_target_that_shows_nothing_of_the_logs_has_no_ratio():
    of_policies, cluster = samples()
    nothing = Sample(**{**vars(of_policies[0]), "target_propensity": np.zeros(ROWS)})
    estimates = by_name(results(empty().update([nothing, *of_policies[1:]], cluster)))
    for name in ("snips", "sndr", "replay"):
        assert estimates["champion", None, name].value is None
        assert estimates["uniform", "champion", name].value is None
    assert estimates["champion", None, "ips"].value == 0
    assert estimates["champion", None, "ips"].ess == 0


def test_what_results_can_not_know_is_refused():
    state = empty().update(*samples())
    with pytest.raises(InvalidInputError, match="confidence"):
        results(state, 1.0)
    for interval in INTERVALS.values():
        if interval.guaranteed:
            with pytest.raises(InvalidInputError, match="needs the range"):
                results(state, interval=interval)
    with pytest.raises(InvalidInputError, match="over the largest possible 1"):
        results(state, interval=Delta(), rewards=RewardRange(0.0, 1.0, max_weight=1.0))


@pytest.mark.parametrize("name", list(INTERVALS))
def test_the_interval_of_a_tuned_estimator_reaches_over_that_of_the_untuned_one(name):
    of_policies, cluster = samples()
    tuned = ("clipped_ips", "switch_dr", "dros")
    free = EvaluationState.initial(POLICIES, tuned).update(of_policies, cluster)
    fixed = EvaluationState.initial(POLICIES, tuned, dict.fromkeys(tuned, np.inf)).update(
        of_policies, cluster
    )
    chosen, untuned = (
        by_name(results(state, interval=INTERVALS[name], rewards=REWARDS)) for state in (free, fixed)
    )
    assert any(estimate.tuning for estimate in chosen.values())
    for key, estimate in chosen.items():
        assert estimate.lower <= untuned[key].lower
        assert estimate.upper >= untuned[key].upper


def unrewarded(rows=1000, reward=0.0):
    """A policy that shows one of two arms three times in four, on uniform logs where all have one reward."""
    target = np.where(np.arange(rows) % 2, 0.25, 0.75)
    shown = Sample(np.full(rows, reward), np.full(rows, 0.5), target)
    logged = Sample(np.full(rows, reward), np.full(rows, 0.5), np.full(rows, 0.5))
    state = EvaluationState.initial(("p", "logged"), ["ips", "snips"])
    return state.update([shown, logged], np.arange(rows, dtype=np.uint64))


@pytest.mark.parametrize("interval", [i for i in INTERVALS.values() if not i.guaranteed])
def test_rewards_that_do_not_vary_have_no_interval_unless_their_range_is_known(interval):
    """0 of 1,000: a share of 1 - 0.05**(1 / 1000) = 0.00299 at the most; weights are up to 1.5."""
    for estimate in results(unrewarded(), interval=interval):
        assert estimate.value == 0
        assert estimate.stderr is estimate.lower is estimate.upper is None
        assert estimate.mean_weight_lower <= 1 <= estimate.mean_weight_upper
    found = by_name(results(unrewarded(), interval=interval, rewards=RewardRange(0.0, 1.0)))
    for key, ends in {
        ("p", None, "snips"): (0, 0.0044868),
        ("logged", None, "ips"): (0, 0.0029912),
        ("p", "logged", "snips"): (-0.0044868, 0.0044868),
    }.items():
        estimate = found[key]
        assert (estimate.lower, estimate.upper) == pytest.approx(ends, rel=1e-4)
        assert (estimate.stderr, estimate.interval_method) == (None, "rule_of_three")


def test_the_rule_of_three_reaches_to_both_sides_and_no_further_than_rewards_can():
    found = by_name(results(unrewarded(reward=0.999), rewards=RewardRange(0.0, 1.0)))
    estimate = found["p", None, "snips"]
    assert (estimate.lower, estimate.upper) == pytest.approx((0.999 - 0.0044868, 1.0), rel=1e-4)
