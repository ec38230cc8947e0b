"""The delete-a-group jackknife over bins of users (Quenouille, 1956; Shao and Wu, 1989): what a figure is
without each bin says how far it is off. Figures of ranks are smooth in the sums by group of priorities, for
which it is consistent, and users stay whole. It draws nothing, so it is the same on every run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nightslate.core.arrays import Floats, row_chunks
from nightslate.core.ope.intervals.delta import freedom
from nightslate.core.uplift.ranked import Ranked

Figures = Callable[[Floats, Floats, Floats], Floats]
"""(units, effect, cost), each (R, K) of R samples at once -> (R, F)."""

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Estimates:
    """F figures (F,) with their intervals; standard errors and ends are NaN with fewer than two bins of users
    and where nothing varies."""

    value: Floats
    stderr: Floats
    lower: Floats
    upper: Floats


def jackknife(ranked: Ranked, figures: Figures, confidence: float = 0.95) -> Estimates:
    """The figures of all units, and Student's intervals about them: with the degrees of freedom that the
    spread has by its fourth moments, as `delta` has it."""
    parts = (ranked.units, ranked.effect, ranked.cost)
    totals = [np.asarray(part.sum(axis=0)) for part in parts]
    value = figures(*(total[None, :] for total in totals))[0]
    bins = np.flatnonzero(np.diff(ranked.units.indptr))
    if bins.size < 2:
        nothing = np.full_like(value, math.nan)
        return Estimates(value, nothing, nothing, nothing)
    without = np.concatenate(
        [
            figures(*(total - part[bins[some]].toarray() for total, part in zip(totals, parts, strict=True)))
            for some in row_chunks(bins.size, 8 * 8 * totals[0].size)
        ]
    )
    moved = without - without.mean(axis=0)
    stderr = np.sqrt((bins.size - 1) / bins.size * np.square(moved).sum(axis=0))
    size = float(abs(ranked.effect).sum() + abs(ranked.cost).sum()) / float(totals[0].sum())
    stderr = np.where(np.ptp(without, axis=0) > _ROUNDING * size, stderr, math.nan)
    degrees = np.array([freedom(each, bins.size) for each in moved.T])
    reach = stdtrit(degrees, (1 + confidence) / 2) * stderr
    return Estimates(value, stderr, value - reach, value + reach)
