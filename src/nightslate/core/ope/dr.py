"""Doubly robust estimators: the mean of v + f(w) (r - q).

dr: f(w) = w (Dudik, Langford and Li, 2011). Unbiased if the propensities or the reward model are right; with
a model that expects 0 of everything it is IPS.
mrdr: the same with a reward model that was fitted to make the variance of this estimator small (Farajtabar,
Chow and Ghavamzadeh, 2018).
switch_dr: f(w) = w where w <= t, else 0: the model is trusted where weights are large (Wang, Agarwal and
Dudik, 2017).
dros: f(w) = t w / (w**2 + t), optimistic shrinkage (Su, Dimakopoulou, Krishnamurthy and Dudik, 2020).
sndr: the mean of v plus the sum of w (r - q) over the sum of w (Thomas and Brunskill, 2016)."""

import math

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.ope.estimator import (
    DOUBLINGS,
    Estimator,
    Limits,
    Pair,
    mean_of_corrected,
)
from nightslate.core.ope.ips import weighed
from nightslate.core.ope.sample import Sample, known
from nightslate.core.ope.statistic import Span

_NEEDS = frozenset({"q_logged", "v_target"})
_NEEDS_MRDR = frozenset({"q_logged_mrdr", "v_target_mrdr"})


def _corrected(v_target: Floats, weight: Floats, residual: Floats) -> tuple[Pair, ...]:
    return ((v_target + weight * residual, np.ones_like(weight)),)


def _dr(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _corrected(known(sample.v_target), sample.weight, sample.reward - known(sample.q_logged))


def _mrdr(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _corrected(known(sample.v_target_mrdr), sample.weight, sample.reward - known(sample.q_logged_mrdr))


def _switch(sample: Sample, tuning: float) -> tuple[Pair, ...]:
    weight = sample.weight
    kept = np.where(weight <= tuning, weight, 0.0)
    return _corrected(known(sample.v_target), kept, sample.reward - known(sample.q_logged))


def _shrunk(sample: Sample, tuning: float) -> tuple[Pair, ...]:
    weight = sample.weight
    if math.isfinite(tuning):
        weight = tuning * weight / (weight**2 + tuning)
    return _corrected(known(sample.v_target), weight, sample.reward - known(sample.q_logged))


def _shrunk_spans(limits: Limits, tuning: float) -> tuple[Span, ...]:
    """t w / (w**2 + t) is largest at the square root of t, where it is half of that."""
    return mean_of_corrected(limits, math.sqrt(tuning) / 2)


def _self_normalised(sample: Sample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    weight = sample.weight
    return (
        (known(sample.v_target), np.ones(sample.n)),
        (weight * (sample.reward - known(sample.q_logged)), weight),
    )


def _self_normalised_spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    return Span(limits.low, limits.high), Span(-limits.width, limits.width, limits.max_weight)


DR = Estimator("dr", _dr, mean_of_corrected, _NEEDS, weighing=weighed)
MRDR = Estimator("mrdr", _mrdr, mean_of_corrected, _NEEDS_MRDR, weighing=weighed)
SWITCH_DR = Estimator("switch_dr", _switch, mean_of_corrected, _NEEDS, DOUBLINGS, weighing=weighed)
DROS = Estimator("dros", _shrunk, _shrunk_spans, _NEEDS, tuple(t * t for t in DOUBLINGS), weighing=weighed)
SNDR = Estimator(
    "sndr",
    _self_normalised,
    _self_normalised_spans,
    _NEEDS,
    pairs=lambda _: 2,
    counts=False,
    weighing=weighed,
)
