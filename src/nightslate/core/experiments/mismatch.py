"""Where users are missing: of which variant, in which segment and since when."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from nightslate.core.arrays import Floats
from nightslate.core.experiments.sample_ratio import SampleRatio

_APART = 1.2
"""How many times later one day is than the one before it on which a loss could have begun."""


@dataclass(frozen=True)
class Mismatch:
    """day, variant and segment: their places, no segment where all are alike; missing: the share of the
    variant's users that is missing from that day on."""

    day: int
    segment: int | None
    variant: int
    missing: float


def anytime_p_value(ratio: SampleRatio) -> float:
    """Of a sample ratio mismatch, of cells (days, segments): whenever one looks, it is under alpha with
    probability alpha at most. It never grows from one look to the next."""
    return math.exp(-max(0.0, float(log_evidence(ratio).max())))


def log_evidence(ratio: SampleRatio) -> Floats:
    """(days,) the logarithm of the evidence for a mismatch on each day, of cells (days, segments).

    It is a mixture, since a loss may begin on any day and in any segment: half of it is about all segments,
    half is shared by each of several; half is about all days, and of the other half 1 / (j (j + 1)) about
    those from the j-th of some later days on. On one day alone it is all about that."""
    days, several = len(ratio.seen), ratio.seen.shape[1] > 1
    if days == 1:
        return _log_evidence(ratio, several)
    later = _later_starts(days)
    begun = np.searchsorted(later, np.arange(days), side="right")
    mixed = np.log(0.5 / (begun + 1))  # what is held back for starts to come
    for place, start in enumerate((0, *later)):
        share = 0.5 / (place * (place + 1)) if place else 0.5
        log_e = _log_evidence(ratio.cell(slice(start, None)), several)
        mixed[start:] = np.logaddexp(mixed[start:], log_e + math.log(share))
    return mixed


def _later_starts(days: int) -> list[int]:
    """Days after the first, on which a loss could have begun: each at first, then fewer and fewer, so that
    whatever day it was one is not much later."""
    starts = [1]
    while (start := max(starts[-1] + 1, math.ceil(_APART * starts[-1]))) < days:
        starts.append(start)
    return starts


def _log_evidence(ratio: SampleRatio, several: bool) -> Floats:
    """(days,) that of all days up to each."""
    whole = ratio.pooled(1).cumulated(0).log_e_value()
    if not several:
        return whole
    within = ratio.cumulated(0).log_e_value()
    shared = logsumexp(within, axis=1) - math.log(within.shape[1])
    return np.asarray(np.logaddexp(whole, shared) - math.log(2))


def located(ratio: SampleRatio) -> Mismatch:
    """The days up to the last, and the segment or all of them, that say most against the ratio that was to
    be; cells (days, segments)."""
    backwards = SampleRatio.from_arrays({name: array[::-1] for name, array in ratio.arrays().items()})
    of_segments, of_all = backwards.cumulated(0), backwards.pooled(1).cumulated(0)
    within, whole = of_segments.log_e_value(), of_all.log_e_value()
    back, segment = np.unravel_index(int(within.argmax()), within.shape)
    cell = of_segments.cell(int(back), int(segment))
    one_segment: int | None = int(segment)
    if within.shape[1] == 1 or whole.max() >= within.max():
        back, one_segment = whole.argmax(), None
        cell = of_all.cell(int(back))
    missing = cell.missing()
    variant = int(np.nanargmax(missing))
    return Mismatch(len(whole) - 1 - int(back), one_segment, variant, float(missing[variant]))
