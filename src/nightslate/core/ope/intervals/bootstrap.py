"""The bootstrap over clusters with Poisson weights (Hanley and MacGibbon, 2006; Chamandy, Muralidharan,
Najmi and Naidu, 2012), over bins of clusters where there are many. Percentiles are those of a spread that is
known; as Hesterberg (2015) does for small samples, they are stretched about the value by what Student's
quantile is over the normal one, with the degrees of freedom that `delta` has: few, where few clusters make
most of the spread, and a factor of 1 where many do."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from nightslate.core.arrays import Floats
from nightslate.core.hashing import mix, poisson1
from nightslate.core.ope.intervals.delta import students_quantile
from nightslate.core.ope.intervals.interval import Bounds
from nightslate.core.ope.statistic import Statistic, ratios


@dataclass(frozen=True)
class Bootstrap:
    """Percentiles of `resamples` replicates, in each of which every bin counts Poisson(1) times.

    The counts are hashes of (bin, replicate, seed): they are the same on every run, and every policy has the
    same ones, which is what pairs their differences."""

    resamples: int = 1000

    name: ClassVar[str] = "bootstrap"
    guaranteed: ClassVar[bool] = False

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """None with fewer than 2 clusters, and where nothing varies. A replicate in which a denominator is 0
        is left out."""
        if statistic.parts < 2 or statistic.constant:
            return None
        counts = _counts(statistic.units.size, self.resamples, statistic.seed)
        sums = np.concatenate([statistic.numerators, statistic.denominators]) @ counts
        values = statistic.signs @ ratios(*np.split(sums, 2))
        values = values[np.isfinite(values)]
        if values.size < 2:
            return None
        levels = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        stretch = students_quantile(statistic, confidence) / ndtri(levels[1])
        lower, upper = statistic.value + stretch * (np.quantile(values, levels) - statistic.value)
        return Bounds(float(values.std(ddof=1)), float(lower), float(upper))


@lru_cache(maxsize=1)  # one night asks for hundreds of intervals with the same counts
def _counts(bins: int, resamples: int, seed: int) -> Floats:
    """(bins, resamples) how often each bin counts."""
    seeded = mix(np.arange(bins, dtype=np.uint64), seed)
    keys = mix(seeded[:, None], np.arange(resamples, dtype=np.uint64)[None, :])
    counts = poisson1(keys).astype(np.float64)
    counts.setflags(write=False)
    return counts
