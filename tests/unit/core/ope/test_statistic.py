import math

import numpy as np
import pytest
from tests.unit.core.ope.intervals.statistics import clustered, of_ratios, skewed

from nightslate.core.ope.statistic import Span, ratios

SPAN = Span(0.0, 1.0, 20.0)


def statistic():
    rewarded, weights, units = skewed(50)
    return of_ratios([(rewarded, weights), (rewarded, units)], [SPAN, SPAN], (1.0, -1.0), units)


def test_the_value_is_the_signed_sum_of_ratios():
    rewarded, weights, units = skewed(50)
    expected = rewarded.sum() / weights.sum() - rewarded.sum() / units.sum()
    assert statistic().value == pytest.approx(expected)
    assert statistic().defined


def test_influences_are_the_derivatives_of_the_value_by_the_bins():
    """A bin that counts 1e-6 more moves the value by 1e-6 of its influence; all together do not."""
    whole = statistic()
    assert whole.influences.sum() == pytest.approx(0, abs=1e-12)
    for b in (0, 7, 49):
        counts = np.ones(50)
        counts[b] += 1e-6
        sums = whole.numerators @ counts, whole.denominators @ counts
        moved = float(whole.signs @ ratios(*sums))
        assert (moved - whole.value) / 1e-6 == pytest.approx(whole.influences[b], rel=1e-4, abs=1e-9)


def test_parts_are_the_bins_that_hold_anything():
    units = np.array([2.0, 0.0, 1.0])
    assert of_ratios([(units, units)], [SPAN], units=units).parts == 2


def test_a_denominator_of_0_leaves_no_value():
    whole = of_ratios([(np.zeros(3), np.zeros(3))], [SPAN])
    assert math.isnan(whole.value)
    assert not whole.defined


def test_only_what_varies_is_not_constant():
    _, weights, units = skewed(50)
    assert of_ratios([(0.3 * weights, weights)], [SPAN], units=units).constant
    assert not statistic().constant


def test_sums_over_clusters_at_a_value():
    rewarded, weights, units = skewed(50)
    ratio = clustered(rewarded, weights, units, SPAN)
    assert ratio.excess(0.3) == pytest.approx((rewarded - 0.3 * weights).sum())
    assert ratio.squares(0.3) == pytest.approx(((rewarded - 0.3 * weights) ** 2).sum())
    assert ratio.squared_units == (units**2).sum()
    assert ratio.excess(ratio.value) == pytest.approx(0, abs=1e-10)


def test_the_mirror_is_of_minus_the_numerators():
    rewarded, weights, units = skewed(50)
    mirrored = clustered(rewarded, weights, units, Span(0.1, 0.9, 20.0)).mirrored
    expected = clustered(-rewarded, weights, units, Span(-0.9, -0.1, 20.0))
    np.testing.assert_allclose(mirrored.second, expected.second)
    assert (mirrored.a, mirrored.b, mirrored.span) == (expected.a, expected.b, expected.span)


def test_the_span_of_a_difference():
    assert Span(0.0, 2.0) - Span(-1.0, 5.0) == Span(-5.0, 3.0)
