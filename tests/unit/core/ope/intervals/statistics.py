"""Statistics of raw data, where every bin is a cluster of its own."""

import numpy as np

from nightslate.core.ope.statistic import Clustered, Span, Statistic


def clustered(a, b, units, span):
    """Of cluster sums (c,)."""
    rows = np.stack([a, b, units])
    return Clustered(float(a.sum()), float(b.sum()), a.size, int(units.max(initial=0)), rows @ rows.T, span)


def of_ratios(pairs, spans, signs=(1.0,), units=None, seed=0):
    """The sum of sign times sum(a) / sum(b), of pairs (a, b) of cluster sums (c,)."""
    numerators, denominators = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    units = np.ones(numerators.shape[1]) if units is None else units
    parts = [clustered(a, b, units, span) for (a, b), span in zip(pairs, spans, strict=True)]
    return Statistic(
        signs=np.array(signs),
        numerators=numerators,
        denominators=denominators,
        units=units,
        clustered=tuple(zip(signs, parts, strict=True)),
        sides=None,
        seed=seed,
    )


def of_mean(x, low=0.0, high=1.0, **more):
    """The mean of x (c,), which is known to be between low and high."""
    return of_ratios([(x, np.ones(x.size))], [Span(low, high)], **more)


def skewed(clusters, seed=1):
    """Weighted rewards, weights and sizes of clusters; weights are 1 in expectation and 20 at most."""
    generator = np.random.default_rng(seed)
    units = generator.integers(1, 4, clusters).astype(float)
    weights, rewarded = np.zeros(clusters), np.zeros(clusters)
    for unit in range(3):
        weight = np.where(generator.random(clusters) < 0.05, 0.81 / 0.05, 0.2) * (units > unit)
        weights += weight
        rewarded += weight * (generator.random(clusters) < 0.4)
    return rewarded, weights, units
