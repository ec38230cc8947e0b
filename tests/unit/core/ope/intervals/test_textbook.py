"""Each interval against its formula, written out on the raw data."""

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, moment, norm
from scipy.stats import t as student
from tests.unit.core.ope.intervals.statistics import of_mean, of_ratios, skewed

from nightslate.core.hashing import mix, poisson1
from nightslate.core.ope.intervals import (
    Anytime,
    Bootstrap,
    Delta,
    EmpiricalBernstein,
    Hoeffding,
)
from nightslate.core.ope.statistic import Span

X = np.random.default_rng(4).beta(1, 1.5, 60)
WEIGHT_SPAN = Span(0.0, 1.0, 20.0)


def assert_bounds(bounds, lower, upper, rel=1e-9):
    assert (bounds.lower, bounds.upper) == pytest.approx((lower, upper), rel=rel)


def test_delta_of_a_mean_of_light_tails_is_students_interval():
    error = X.std(ddof=1) / math.sqrt(X.size)
    assert kurtosis(X, fisher=False) < 3
    reach = student.ppf(0.95, X.size - 1) * error
    bounds = Delta()(of_mean(X), 0.9)
    assert_bounds(bounds, X.mean() - reach, X.mean() + reach)
    assert bounds.stderr == pytest.approx(error)


def test_delta_of_a_ratio_has_the_spread_of_its_denominator():
    rewarded, weights, units = skewed(80)
    value = rewarded.sum() / weights.sum()
    residuals = rewarded - value * weights
    error = math.sqrt(80 / 79 * (residuals**2).sum()) / weights.sum()
    reach = student.ppf(0.975, 2 * 80 / (moment(residuals, 4) / moment(residuals, 2) ** 2 - 1)) * error
    bounds = Delta()(of_ratios([(rewarded, weights)], [WEIGHT_SPAN], units=units), 0.95)
    assert_bounds(bounds, value - reach, value + reach)


def test_bootstrap_is_the_percentiles_of_reweighted_ratios_stretched_as_students_are():
    rewarded, weights, units = skewed(30)
    replicates = []
    for replicate in range(200):
        counts = [int(poisson1(mix(mix(b, 7), replicate))) for b in range(30)]
        replicates.append(np.dot(counts, rewarded) / np.dot(counts, weights))
    statistic = of_ratios([(rewarded, weights)], [WEIGHT_SPAN], units=units, seed=7)
    value = rewarded.sum() / weights.sum()
    residuals = rewarded - value * weights
    freedom = 2 * 30 / (moment(residuals, 4) / moment(residuals, 2) ** 2 - 1)
    stretch = student.ppf(0.95, freedom) / norm.ppf(0.95)
    bounds = Bootstrap(resamples=200)(statistic, 0.9)
    assert_bounds(bounds, *(value + stretch * (np.quantile(replicates, [0.05, 0.95]) - value)))
    assert bounds.stderr == pytest.approx(np.std(replicates, ddof=1))


def test_hoeffding_of_a_mean():
    reach = 2 * math.sqrt(math.log(2 / 0.05) / (2 * X.size))
    bounds = Hoeffding()(of_mean(X, -1.0, 1.0), 0.95)
    assert_bounds(bounds, X.mean() - reach, X.mean() + reach)


def test_hoeffding_of_clusters_and_weights():
    """The residual of a cluster of m units ranges over 20 m."""
    rewarded, weights, units = skewed(20_000)
    reach = 20 * math.sqrt((units**2).sum() * math.log(2 / 0.05) / 2) / weights.sum()
    value = rewarded.sum() / weights.sum()
    bounds = Hoeffding()(of_ratios([(rewarded, weights)], [WEIGHT_SPAN], units=units), 0.95)
    assert_bounds(bounds, value - reach, value + reach)


def test_empirical_bernstein_of_a_mean():
    log = math.log(4 / 0.05)
    x = np.tile(X, 20)
    reach = math.sqrt(2 * x.var(ddof=1) * log / x.size) + 7 * 1.5 * log / (3 * (x.size - 1))
    bounds = EmpiricalBernstein()(of_mean(x, 0.0, 1.5), 0.95)
    assert_bounds(bounds, x.mean() - reach, x.mean() + reach)


def test_empirical_bernstein_of_a_ratio_ends_where_its_test_rejects():
    rewarded, weights, units = skewed(20_000)
    bounds = EmpiricalBernstein()(of_ratios([(rewarded, weights)], [WEIGHT_SPAN], units=units), 0.95)
    log = math.log(4 / 0.05)
    for end in (bounds.lower, bounds.upper):
        residuals = rewarded - end * weights
        reach = math.sqrt(2 * residuals.var(ddof=1) * log / 20_000) + 7 * 60 * log / (3 * 19_999)
        assert abs(residuals.mean()) == pytest.approx(reach)


def test_anytime_ends_at_the_last_value_that_a_bet_rejects():
    rewarded, weights, units = skewed(2_000)
    statistic = of_ratios([(rewarded, weights)], [WEIGHT_SPAN], units=units)
    bounds = Anytime()(statistic, 0.95)
    bets = 2.0 ** -np.arange(1, 21)
    needed = math.log(2 * 20 / 0.05)

    def won(residuals, most):
        """What each bet is sure to have won, and what it has won: logarithms of its capital."""
        u = residuals / (20 * 3 * most)
        prices = -np.log1p(-bets) - bets
        return bets * u.sum() - prices * (u**2).sum(), np.log1p(bets[:, None] * u).sum(axis=1)

    for end, direction in ((bounds.lower, 1), (bounds.upper, -1)):
        most = end if direction == 1 else 1 - end
        sure, actual = won(direction * (rewarded - end * weights), most)
        assert sure.max() == pytest.approx(needed, rel=1e-9)
        assert (actual >= sure).all()
        within = end + direction * 1e-4
        nearer = within if direction == 1 else 1 - within
        assert won(direction * (rewarded - within * weights), nearer)[0].max() < needed


@pytest.mark.parametrize(("events", "exact"), [(1, 5.57), (2, 7.22), (5, 11.67)])
def test_a_few_events_leave_much_to_chance(events, exact):
    """Where a few of 1,000 clusters have all that there is, the upper end is near the exact one of a Poisson
    count (Garwood, 1936), 3.00, 5.00 and 10.00 by percentiles alone."""
    x = np.zeros(1000)
    x[:events] = 1.0
    bounds = Bootstrap()(of_mean(x), 0.95)
    assert 0.87 * exact < 1000 * bounds.upper < 1.02 * exact
    assert bounds.lower < events / 1000
