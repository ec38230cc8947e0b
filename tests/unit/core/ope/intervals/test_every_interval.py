"""What every interval promises; a new one joins by being in INTERVALS."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.ope.intervals.statistics import of_mean, of_ratios, skewed

from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.statistic import Span

every_interval = pytest.mark.parametrize("interval", list(INTERVALS.values()), ids=list(INTERVALS))
guaranteed = pytest.mark.parametrize(
    "interval", [i for i in INTERVALS.values() if i.guaranteed], ids=lambda i: i.name
)
SPAN = Span(0.0, 1.0, 20.0)


def weighted(clusters=400, scale=1.0, shift=0.0, sign=1.0):
    """A self-normalised value; `scale`, `shift` and `sign` change the rewards."""
    rewarded, weights, units = skewed(clusters)
    ends = sorted(sign * (scale * end + shift) for end in (0.0, 1.0))
    rewards = sign * (scale * rewarded + shift * weights)
    return of_ratios([(rewards, weights)], [Span(*ends, 20.0)], units=units)


def difference(clusters=400):
    """Of two self-normalised values on the same clusters."""
    rewarded, weights, units = skewed(clusters)
    others = skewed(clusters, seed=2)[:2]
    return of_ratios([(rewarded, weights), others], [SPAN, SPAN], (1.0, -1.0), units)


def ends(bounds):
    return np.array([bounds.lower, bounds.upper])


@every_interval
@pytest.mark.parametrize("statistic", [weighted(4000), difference(4000)], ids=["value", "difference"])
def test_more_confidence_is_wider(interval, statistic):
    widths = []
    for confidence in (0.5, 0.8, 0.95, 0.999):
        bounds = interval(statistic, confidence)
        assert bounds.lower < statistic.value < bounds.upper
        widths.append(ends(bounds))
    lower, upper = np.array(widths).T
    assert (np.diff(lower) <= 0).all()
    assert (np.diff(upper) >= 0).all()
    assert upper[0] - lower[0] < upper[-1] - lower[-1]


@every_interval
@settings(deadline=None, max_examples=10)
@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_moves_and_scales_with_the_rewards(interval, scale, shift):
    expected = scale * ends(interval(weighted(), 0.95)) + shift
    np.testing.assert_allclose(
        ends(interval(weighted(400, scale, shift), 0.95)), expected, rtol=1e-6, atol=1e-7
    )


@every_interval
def test_of_the_opposite_is_the_opposite(interval):
    np.testing.assert_allclose(
        ends(interval(weighted(sign=-1.0), 0.95)), -ends(interval(weighted(), 0.95))[::-1], rtol=1e-7
    )


@every_interval
@pytest.mark.parametrize("clusters", [0, 1])
def test_none_without_two_clusters(interval, clusters):
    assert interval(of_mean(np.full(clusters, 0.5)), 0.95) is None


@every_interval
def test_bins_without_clusters_do_not_count(interval):
    rewarded, weights, units = (np.append(side, np.zeros(500)) for side in skewed(400))
    statistic = of_ratios([(rewarded, weights)], [SPAN], units=units)
    full = weighted()
    padded = type(statistic)(**{**vars(statistic), "clustered": full.clustered})
    np.testing.assert_allclose(ends(interval(padded, 0.95)), ends(interval(full, 0.95)), rtol=1e-9)


@every_interval
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_what_does_not_vary_is_no_certainty(interval, value):
    bounds = interval(of_mean(np.full(50, value)), 0.95)
    assert (bounds is not None) == interval.guaranteed
    if bounds:
        assert bounds.stderr is None
        assert bounds.lower <= value <= bounds.upper
        assert bounds.upper - bounds.lower > 0.05


@guaranteed
def test_several_ratios_share_the_probability_to_miss(interval):
    statistic = difference(4000)
    rewarded, weights, units = skewed(4000)
    one = interval(of_ratios([(rewarded, weights)], [SPAN], units=units), 0.975)
    rewarded, weights, _ = skewed(4000, seed=2)
    other = interval(of_ratios([(rewarded, weights)], [SPAN], units=units), 0.975)
    bounds = interval(statistic, 0.95)
    np.testing.assert_allclose(ends(bounds), [one.lower - other.upper, one.upper - other.lower], rtol=1e-12)


@guaranteed
def test_never_leaves_what_is_possible(interval):
    bounds = interval(of_mean(np.array([0.0, 0.0, 1.0]), -3.0, 4.0), 0.95)
    assert (bounds.lower, bounds.upper) == (-3.0, 4.0)


@guaranteed
def test_wants_no_large_sample(interval):
    """400 logs of 5 draws of a rare event: no interval that is guaranteed misses more than 1 in 20."""
    draws = np.random.default_rng(6).random((400, 5)) < 0.1
    missed = [not b.lower <= 0.1 <= b.upper for b in (interval(of_mean(x * 1.0), 0.95) for x in draws)]
    assert np.mean(missed) <= 0.05
