"""Units that belong together, such as those of a user, brought together: their sums are taken as wholes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nightslate.core.arrays import Ints, Keys, row_chunks


def by_cluster(cluster: Keys) -> tuple[Ints | None, Ints]:
    """An order in which each cluster's units lie together, and where in it each cluster starts. None for the
    order that is there already: every unit is a cluster of its own."""
    order = np.argsort(cluster, kind="stable")
    ordered = cluster[order]
    is_first = np.ones(cluster.size, dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_first)
    return (None, starts) if starts.size == cluster.size else (order, starts)


def whole_clusters(starts: Ints, n: int, bytes_per_unit: int) -> Iterator[tuple[slice, Ints]]:
    """Slices of units that cut no cluster in two, with the places in them where clusters start."""
    average = max(1, n // max(1, starts.size))
    for clusters in row_chunks(starts.size, bytes_per_unit * average):
        begin = int(starts[clusters.start])
        end = int(starts[clusters.stop]) if clusters.stop < starts.size else n
        yield slice(begin, end), starts[clusters] - begin
