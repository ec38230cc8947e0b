"""Where users are missing: of which variant, in which segment and since when."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from nightslate.core.arrays import Floats
from nightslate.core.experiments.sample_ratio import SampleRatio


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
    half is shared by each of several; half is about all days, and of the other half 1 / (t (t + 1)) about
    those from day t on, counted from 0. On one day alone it is all about that."""
    days, several = len(ratio.seen), ratio.seen.shape[1] > 1
    looks = [_log_evidence(ratio.cell(slice(start, None)), several) for start in range(days)]
    if days == 1:
        return looks[0]
    mixed = np.log(0.5 / np.arange(1, days + 1))  # what is held back for days to come
    for start, log_e in enumerate(looks):
        share = 0.5 / (start * (start + 1)) if start else 0.5
        mixed[start:] = np.logaddexp(mixed[start:], log_e + math.log(share))
    return mixed


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
