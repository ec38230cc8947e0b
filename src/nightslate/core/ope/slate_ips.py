"""Inverse propensity scoring of slates; the value is that of a whole decision.

sips, standard: every slot's reward with the weight of the whole slate. Unbiased, of large variance.
iips, independent (Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen, 2018): each slot's reward with
the weight of that slot alone, from marginal propensities. Unbiased if no slot's reward depends on another.
rips, reward interaction (McInerney, Brost, Chandar, Mehrotra and Carterette, 2020): with the weight of the
slot and those before it. Unbiased if no slot's reward depends on later ones.
The self-normalised forms divide by the mean weight, slot by slot (snsips: of the slate)."""

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.ope.estimator import (
    Estimator,
    Limits,
    Pair,
    mean_of_weighted,
    pair_a_slot,
    ratio_of_weighted,
)
from nightslate.core.ope.sample import known
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.statistic import Span

_MARGINAL = frozenset({"marginal_propensity", "target_marginal_propensity"})


def _mean(weight: Floats, sample: SlateSample) -> tuple[Pair, ...]:
    return (((weight * sample.reward).sum(axis=1), np.ones(sample.n)),)


def _by_slot(weight: Floats, sample: SlateSample) -> tuple[Pair, ...]:
    return tuple((weight[:, k] * sample.reward[:, k], weight[:, k]) for k in range(sample.slots))


def _marginal(sample: SlateSample) -> Floats:
    return np.asarray(known(sample.target_marginal_propensity) / known(sample.marginal_propensity))


def _sips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((sample.weight * sample.total, np.ones(sample.n)),)


def _snsips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return ((sample.weight * sample.total, sample.weight),)


def _iips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _mean(_marginal(sample), sample)


def _sniips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _by_slot(_marginal(sample), sample)


def _rips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _mean(sample.cumulative_weight, sample)


def _snrips(sample: SlateSample, tuning: float) -> tuple[Pair, ...]:  # noqa: ARG001
    return _by_slot(sample.cumulative_weight, sample)


def _summed(weight: Floats, sample: SlateSample) -> Pair:
    return (weight * sample.reward).sum(axis=1), weight.sum(axis=1)


def _of_whole_slates(sample: SlateSample) -> Pair:
    return sample.weight * sample.total, sample.weight * sample.slots


def _of_slots(sample: SlateSample) -> Pair:
    return _summed(_marginal(sample), sample)


def of_slots_so_far(sample: SlateSample) -> Pair:
    """Each slot's reward with the weight of that slot and those before it."""
    return _summed(sample.cumulative_weight, sample)


def _whole(limits: Limits) -> Limits:
    """The range of rewards is that of one slot; a decision has `slots` of them."""
    return Limits(limits.slots * limits.low, limits.slots * limits.high, limits.max_weight)


def _mean_spans(limits: Limits, tuning: float) -> tuple[Span, ...]:
    return mean_of_weighted(_whole(limits), tuning)


def _slate_spans(limits: Limits, tuning: float) -> tuple[Span, ...]:
    return ratio_of_weighted(_whole(limits), tuning)


def _slot_spans(limits: Limits, tuning: float) -> tuple[Span, ...]:
    return ratio_of_weighted(limits, tuning) * limits.slots


SIPS = Estimator("sips", _sips, _mean_spans, weighing=_of_whole_slates)
IIPS = Estimator("iips", _iips, _mean_spans, _MARGINAL, weighing=_of_slots)
RIPS = Estimator("rips", _rips, _mean_spans, weighing=of_slots_so_far)
SNSIPS = Estimator("snsips", _snsips, _slate_spans, counts=False, weighing=_of_whole_slates)
SNIIPS = Estimator(
    "sniips", _sniips, _slot_spans, _MARGINAL, pairs=pair_a_slot, counts=False, weighing=_of_slots
)
SNRIPS = Estimator("snrips", _snrips, _slot_spans, pairs=pair_a_slot, counts=False, weighing=of_slots_so_far)
