"""Bets, whose sums say of every mean what they are sure to have won."""

import numpy as np
import pytest
from scipy.special import logsumexp
from tests.unit.core.ope.intervals.statistics import skewed

from nightslate.core.ope.intervals.betting import BETS, least_mean, sums_of_bets


def capital(amounts, units, v, most_units, floor=0.0):
    """What the bets that are allowed hold together, of 1."""
    bets = BETS[BETS * most_units * (max(v, 0) - floor) <= 0.5]
    return logsumexp([np.log1p(bet * (amounts - v * units)).sum() for bet in bets]) - np.log(BETS.size)


@pytest.mark.parametrize("clusters", [50, 2000])
def test_the_bound_is_just_under_what_the_bets_themselves_reject(clusters):
    rewarded, _, units = skewed(clusters)
    low = least_mean(sums_of_bets(rewarded, units), 0.025, 0.0, 20.0, 0.0, 3)
    mean = rewarded.sum() / units.sum()
    assert 0 < low < mean
    assert capital(rewarded, units, low, 3) >= np.log(1 / 0.025)
    assert capital(rewarded, units, low + 0.02 * (mean - low), 3) < np.log(1 / 0.025)


def test_amounts_under_0_are_bet_on_with_less():
    rewarded, _, units = skewed(4000)
    amounts = rewarded - units * (np.arange(4000) % 2)
    low = least_mean(sums_of_bets(amounts, units), 0.025, -1.0, 20.0, -1.0, 3)
    mean = amounts.sum() / units.sum()
    assert mean - 0.3 < low < mean
    assert capital(amounts, units, low, 3, floor=-1.0) >= np.log(1 / 0.025)


def test_sums_add_up_and_no_log_says_nothing():
    rewarded, _, units = skewed(300)
    parts = [sums_of_bets(rewarded[part], units[part]) for part in (slice(0, 7), slice(7, None))]
    np.testing.assert_allclose(sum(parts), sums_of_bets(rewarded, units), rtol=1e-12)
    assert least_mean(np.zeros((BETS.size, 3)), 0.025, 0.0, 1.0, 0.0, 0) == 0.0


@pytest.mark.parametrize("mean", [0.01, 0.3, 0.9])
def test_the_bound_is_over_the_mean_no_more_often_than_it_may(mean):
    """200 logs of 200 weighted events each, of weights that are 1 on average and 20 at the most."""
    generator = np.random.default_rng(3)
    weights = np.where(generator.random((200, 200)) < 0.05, 0.81 / 0.05, 0.2)
    amounts = weights * (generator.random((200, 200)) < mean)
    true = mean * (0.81 + 0.95 * 0.2)
    bounds = [least_mean(sums_of_bets(log, np.ones(200)), 0.05, 0.0, 20.0, 0.0, 1) for log in amounts]
    assert np.mean(np.array(bounds) > true) <= 0.05
