"""What guaranteed intervals rely on: no unit of any estimator is outside its span."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.ope.worlds import PROPENSITIES, ROWS, SLOTS, draw

from nightslate.core.ope import ESTIMATORS, SLATE_ESTIMATORS, TRAJECTORY_ESTIMATORS
from nightslate.core.ope.estimator import Limits
from nightslate.core.ope.sample import Sample


def require_inside(name, sample, limits):
    """No unit's numerator - value * denominator is outside what the spans say, for any value of a span."""
    estimator = ESTIMATORS[name]
    for tuning in estimator.tunings:
        spans, pairs = estimator.spans(limits, tuning), estimator.terms(sample, tuning)
        for span, (numerator, denominator) in zip(spans, pairs, strict=True):
            assert denominator.max() <= span.scale + 1e-12
            for value in np.linspace(span.low, span.high, 5):
                residual = numerator - value * denominator
                assert span.scale * (span.low - value) - 1e-9 <= residual.min()
                assert residual.max() <= span.scale * (span.high - value) + 1e-9


@pytest.mark.parametrize("name", list(ESTIMATORS))
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.0, 1.0), (3.0, 4.0), (-4.0, -3.0)])
@pytest.mark.parametrize("share", [1.0, 0.001], ids=["", "small weights"])
def test_no_unit_is_outside_its_span(name, low, high, share):
    """The farther ends are reached by rewards at the ends of their range."""
    sample = draw(name, low, high)
    sample = replace(
        sample,
        **{f: share * getattr(sample, f) for f in PROPENSITIES & sample.fields if f.startswith("target")},
    )
    ends = np.where(sample.reward > (low + high) / 2, high, low)
    slots = 1 if isinstance(sample, Sample) else SLOTS
    for case in (sample, replace(sample, reward=ends)):
        require_inside(name, case, Limits(low, high, case.largest_weight, slots))


@pytest.mark.parametrize("name", [*SLATE_ESTIMATORS, *TRAJECTORY_ESTIMATORS])
@pytest.mark.parametrize(("low", "high"), [(0.0, 4.0), (-4.0, 0.0)])
@pytest.mark.parametrize("discount", [1.0, 0.5])
def test_units_that_end_before_others_are_within_their_span_too(name, low, high, discount):
    """What a decision or trajectory lacks has reward 0, so the range of rewards holds 0; and then it holds
    what is discounted."""
    sample = draw(name, low, high)
    lacks = np.arange(SLOTS)[None, :] >= np.random.default_rng(1).integers(1, SLOTS + 1, ROWS)[:, None]
    worth = discount ** np.arange(SLOTS)
    short = {
        field: np.where(lacks, 1.0, getattr(sample, field))
        if field in PROPENSITIES
        else np.where(lacks, 0.0, worth * getattr(sample, field))
        for field in sample.fields - {"pseudo_inverse_weight"}
    }
    sample = replace(sample, **short)
    require_inside(name, sample, Limits(low, high, sample.largest_weight, SLOTS))
