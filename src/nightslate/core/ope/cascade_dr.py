"""Cascade doubly robust (Kiyohara, Saito, Matsuhiro, Narita, Shimizu and Yamamoto, 2022): the sum over slots
of W_k (r_k - q_k) + W_(k-1) v_k, where W_k is the weight of the first k slots. Unbiased under the cascade
assumption (no slot's reward depends on later ones) if the propensities or the model are right; with a model
that expects 0 of everything it is RIPS."""

import numpy as np

from nightslate.core.ope.estimator import Estimator, Limits, Pair
from nightslate.core.ope.sample import known
from nightslate.core.ope.slate_ips import of_slots_so_far
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.statistic import Span


def _terms(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    weight = sample.cumulative_weight
    before = np.concatenate([np.ones((sample.n, 1)), weight[:, :-1]], axis=1)
    corrected = weight * (sample.reward - known(sample.q_logged)) + before * known(sample.v_target)
    return ((corrected.sum(axis=1), np.ones(sample.n)),)


def _spans(limits: Limits, tuning: float) -> tuple[Span, ...]:  # noqa: ARG001
    """The terms are v_1 and the sum over slots of W_k (r_k + v_(k+1) - q_k): what a model expects of a slot
    and all later ones is in the range of so many rewards, and then so is r_k + v_(k+1)."""
    slots = limits.slots
    most = limits.max_weight * limits.width * slots * (slots + 1) / 2
    return (Span(slots * limits.low - most, slots * limits.high + most),)


CASCADE_DR = Estimator(
    "cascade_dr", _terms, _spans, frozenset({"q_logged", "v_target"}), weighing=of_slots_so_far
)
