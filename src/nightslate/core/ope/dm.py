"""The direct method (Beygelzimer and Langford, 2009): the mean of what a reward model expects of the target.
It has the least variance and all of the model's bias, of which nothing
that varies tells anything: it has no interval."""

import numpy as np

from nightslate.core.ope.estimator import Estimator, Limits, Pair
from nightslate.core.ope.sample import Sample, known
from nightslate.core.ope.statistic import Span


def _terms(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((known(sample.v_target), np.ones(sample.n)),)


def _spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    """If the model's expectations are in the range of rewards."""
    return (Span(limits.low, limits.high),)


DM = Estimator("dm", _terms, _spans, frozenset({"v_target"}), knows_its_error=False)
