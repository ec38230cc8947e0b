"""Replay (Li, Chu, Langford and Wang, 2011): the mean reward of the rows on which the target would have shown
the same arm; a stochastic target agrees with the probability that it does. Unbiased where the logging policy
is uniform, and only there: elsewhere the rows that agree are not those of the target."""

from nightslate.core.ope.estimator import Estimator, Limits, Pair
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.statistic import Span


def _terms(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    agreement = sample.target_propensity
    return ((agreement * sample.reward, agreement),)


def _spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    return (Span(limits.low, limits.high),)


REPLAY = Estimator("replay", _terms, _spans, counts=False)
