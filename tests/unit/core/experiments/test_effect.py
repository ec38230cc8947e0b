"""Effects beside scipy, a regression, a bootstrap and their own definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nightslate.core.experiments import Moments, effect, value_of
from nightslate.core.experiments.sequential import LEAST, LEAST_EFFECTIVE

USERS = 2_000


def compared(variant, *columns, confidence=0.95):
    """Columns: numerator, denominator, and pairs of covariates."""
    values = np.stack([np.broadcast_to(column, variant.shape) for column in columns], axis=-1)
    state = Moments.initial((2,), len(columns)).update(variant, values.astype(np.float64))
    return effect(state.cell(0), state.cell(1), confidence)


def world(seed=0, users=USERS, gain=0.2):
    rng = np.random.default_rng(seed)
    variant, before = rng.integers(0, 2, users), rng.gamma(2.0, 2.0, users)
    return rng, variant, before, before + rng.normal(size=users) + gain * variant


def test_a_mean_is_compared_by_welch():
    _, variant, _, values = world()
    found = compared(variant, values, 1.0).difference
    wanted = stats.ttest_ind(values[variant == 1], values[variant == 0], equal_var=False)
    ends = wanted.confidence_interval()
    np.testing.assert_allclose(found.p, wanted.pvalue, rtol=1e-10)
    np.testing.assert_allclose((found.lower, found.upper), (ends.low, ends.high), rtol=1e-10)
    np.testing.assert_allclose(found.freedom, wanted.df, rtol=1e-10)


def test_a_ratio_varies_as_a_bootstrap_of_users_does():
    rng, variant, before, values = world()
    sums = rng.poisson(before) + 1.0
    found = compared(variant, values, sums).difference
    replicates = []
    for _ in range(1_000):
        rows = rng.integers(0, USERS, USERS)
        ratios = [
            values[rows][variant[rows] == v].sum() / sums[rows][variant[rows] == v].sum() for v in (0, 1)
        ]
        replicates.append(ratios[1] - ratios[0])
    # a standard deviation of 1,000 replicates is known to 2.2 %
    assert found.stderr == pytest.approx(np.std(replicates), rel=0.08)


def test_equal_weights_change_nothing():
    _, variant, before, values = world()
    weight = np.where(variant == 1, 4.0, 4 / 3)
    plain, weighed = (compared(variant, values * w, w, before * w, w) for w in (np.ones(USERS), weight))
    for one, other in ((plain.difference, weighed.difference), (plain.cuped, weighed.cuped)):
        assert one.effect == pytest.approx(other.effect, rel=0.02)
    np.testing.assert_allclose(plain.difference.stderr, weighed.difference.stderr, rtol=1e-10)
    np.testing.assert_allclose(plain.difference.effect, weighed.difference.effect, rtol=1e-10)


def test_a_covariate_takes_off_what_a_regression_says():
    _, variant, before, values = world()
    found = compared(variant, values, 1.0, before, 1.0)
    slope = np.cov(values, before)[0, 1] / before.var(ddof=1)
    adjusted = values - slope * before
    wanted = stats.ttest_ind(adjusted[variant == 1], adjusted[variant == 0], equal_var=False)
    np.testing.assert_allclose(found.cuped.effect / found.cuped.stderr, wanted.statistic, rtol=1e-9)
    assert found.cuped.stderr < 0.5 * found.difference.stderr
    assert found.most_precise is found.cuped


def test_covariates_that_say_the_same_say_it_once():
    _, variant, before, values = world()
    one = compared(variant, values, 1.0, before, 1.0).cuped
    twice = compared(variant, values, 1.0, before, 1.0, 3 * before, 1.0, 7.0, 1.0).cuped
    np.testing.assert_allclose((one.effect, one.stderr), (twice.effect, twice.stderr), rtol=1e-6)


def test_a_covariate_without_a_denominator_says_nothing():
    _, variant, before, values = world()
    found = compared(variant, values, 1.0, before, 0.0)
    assert found.cuped == found.difference


@given(st.integers(0, 2**32 - 1), st.floats(-0.4, 0.4), st.sampled_from([0.8, 0.95, 0.99]))
def test_relative_ends_exclude_0_just_where_the_difference_does(seed, gain, confidence):
    _, variant, _, values = world(seed, 300, gain)
    found = compared(variant, values, 1.0, confidence=confidence)
    assert (found.relative.lower > 0) == (found.difference.lower > 0)
    assert (found.relative.upper < 0) == (found.difference.upper < 0)
    assert found.relative.lower <= found.relative.effect <= found.relative.upper


def test_relative_ends_are_those_that_fieller_tests():
    """At an end the test of treatment - (1 + end) control is on its edge."""
    _, variant, _, values = world(users=200)
    found = compared(variant, values, 1.0)
    one, other = values[variant == 1], values[variant == 0]
    quantile = stats.t.ppf(0.975, found.difference.freedom)
    for end in (found.relative.lower, found.relative.upper):
        off = one.mean() - (1 + end) * other.mean()
        spread = math.sqrt(one.var(ddof=1) / one.size + (1 + end) ** 2 * other.var(ddof=1) / other.size)
        assert abs(off) == pytest.approx(quantile * spread, rel=1e-9)


def test_a_control_that_could_be_0_has_no_relative_interval():
    _, variant, _, values = world(users=200)
    found = compared(variant, values - values[variant == 0].mean() + 0.01, 1.0)
    assert found.relative.effect is not None
    assert found.relative.lower is None


def test_that_nothing_varies_is_no_certainty():
    variant = np.arange(400) % 2
    for values in (np.zeros(400), np.full(400, 0.1), np.where(variant == 1, np.arange(400), 3.0)):
        found = compared(variant, values, 1.0)
        assert found.difference.effect is not None
        assert found.difference.stderr is None
        assert found.difference.p is None
        assert found.relative.lower is None


def test_one_user_has_a_mean_and_no_interval():
    found = compared(np.array([0, 0, 1]), np.array([1.0, 2.0, 5.0]), 1.0)
    assert (found.n, found.mean, found.difference.effect) == (1, 5.0, 3.5)
    assert found.difference.stderr is None


def test_a_ratio_without_a_denominator_has_no_value():
    found = compared(np.array([0, 0, 1, 1]), np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0]))
    assert found.mean == 2.5
    assert found.difference.effect is None
    assert found.relative.effect is None


def test_the_interval_of_every_look_begins_with_enough_users_that_make_the_metric():
    variant = np.arange(2 * LEAST) % 2
    normal = np.random.default_rng(0).normal(size=variant.size)
    assert compared(variant[:-1], normal[:-1], 1.0).difference.anytime_lower is None
    assert compared(variant, normal, 1.0).difference.anytime_lower is not None
    for buyers, has_interval in ((2 * LEAST_EFFECTIVE - 1, False), (2 * LEAST_EFFECTIVE, True)):
        bought = (np.arange(variant.size) < buyers).astype(np.float64)
        found = compared(variant, bought, 1.0).difference
        assert found.lower is not None
        assert (found.anytime_lower is not None) == has_interval


def test_it_holds_0_just_where_its_e_value_says_nothing():
    for seed in range(40):
        _, variant, _, values = world(seed, gain=0.5)
        found = compared(variant, values, 1.0).difference
        excludes = found.anytime_lower > 0 or found.anytime_upper < 0
        assert excludes == (found.log_e > math.log(20))


def test_an_effect_of_the_minimum_is_found_four_times_out_of_five():
    rng, trials = np.random.default_rng(3), 1_000
    variant = np.arange(400) % 2
    first = compared(variant, rng.normal(size=400), 1.0).difference.mde
    found = sum(
        compared(variant, rng.normal(size=400) + first * variant, 1.0).difference.p < 0.05
        for _ in range(trials)
    )
    # the standard deviation that the minimum goes by is known to 3.5 %, the share to 1.3 points
    assert found / trials == pytest.approx(0.8, abs=0.06)


def test_the_value_of_a_variant_is_its_own():
    _, variant, before, values = world()
    columns = np.stack([values, np.ones(USERS), before, np.ones(USERS)], axis=-1)
    state = Moments.initial((2,), 4).update(variant, columns)
    assert value_of(state.cell(1)).value == pytest.approx(values[variant == 1].mean())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("covariates", [False, True])
def test_what_is_the_same_of_all_users_is_no_certainty_whatever_their_weights(seed, covariates):
    rng = np.random.default_rng(seed)
    variant, weight, size = (
        rng.integers(0, 2, USERS),
        1 / rng.uniform(0.05, 0.95, USERS),
        rng.gamma(1.0, size=USERS),
    )
    columns = (size * weight, weight) if covariates else ()
    found = compared(variant, rng.lognormal(0, 5) * size * weight, size * weight, *columns)
    assert found.difference.stderr is found.difference.p is found.difference.log_e is None
    assert found.cuped is None or found.cuped.stderr is None
    assert found.difference.effect == pytest.approx(0.0, abs=1e-9 * abs(found.mean))
