"""Several policies on the same logs: the sums that values, differences and intervals come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Ints, Keys, require_names, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import ESTIMATORS
from nightslate.core.estimators.estimator import Pair
from nightslate.core.estimators.sample import Logged
from nightslate.core.hashing import deal

BINS = 2048
"""Clusters are summed up in so many bins, by hash: enough that the spread of a value, taken between bins, is
itself known to 2 % or better."""

_ADDED = ("bins", "second", "squared_weights", "unsupported", "n", "clusters")
_LARGEST = ("max_weights", "largest_weights", "most_units")


@dataclass(frozen=True)
class Column:
    """One ratio of the state: a pair of an estimator at a tuning parameter."""

    estimator: str
    tuning: float
    pair: int


@dataclass(frozen=True, eq=False)
class EvaluationState:
    """Sums over units (impressions; decisions or trajectories of `slots`) for P policies and C ratios.

    tunings: the estimators with the candidates for their tuning parameters.
    bins (BINS, P, C + 1, 2): numerators and denominators by bin of clusters; the last ratio is the mean
    importance weight. second (C, 2P + 1, 2P + 1): sums over clusters of the products of (numerators,
    denominators, number of units). Per policy (P,): the largest importance weight, the largest of any
    estimator, the sum of squares, and the unsupported mass (NaN where a sample does not know it). most_units:
    of one cluster.

    A cluster's bin is a hash of its key, so the approximate intervals are the same however rows are split
    into updates and partitions. `second`, `clusters` and `most_units`, which guaranteed intervals look at,
    want all rows of a cluster in one update."""

    policies: tuple[str, ...]
    tunings: Mapping[str, tuple[float, ...]]
    slots: int
    seed: int
    bins: Floats
    second: Floats
    squared_weights: Floats
    max_weights: Floats
    largest_weights: Floats
    unsupported: Floats
    most_units: int
    n: int
    clusters: int

    @classmethod
    def initial(
        cls,
        policies: tuple[str, ...],
        estimators: Sequence[str],
        tunings: Mapping[str, float] | None = None,
        slots: int = 1,
        seed: int = 0,
    ) -> Self:
        """The state of no rows. `tunings` fixes the tuning parameter of an estimator instead of choosing it
        from the data. Raises InvalidInputError for repeated policies and unknown estimators."""
        if not policies or len(set(policies)) < len(policies):
            raise InvalidInputError(f"policies must be named and distinct, got {policies}")
        unknown = {*estimators, *(tunings or {})} - ESTIMATORS.keys()
        if unknown or not estimators or len(set(estimators)) < len(estimators):
            raise InvalidInputError(
                f"estimators must be distinct and of {', '.join(ESTIMATORS)}; got {', '.join(estimators)}"
            )
        candidates = {
            name: (tunings[name],) if tunings and name in tunings else ESTIMATORS[name].tunings
            for name in estimators
        }
        count, zeros = len(policies), np.zeros(len(policies))
        columns = len(_columns(candidates, slots))
        return cls(
            policies=policies,
            tunings=candidates,
            slots=slots,
            seed=seed,
            bins=np.zeros((BINS, count, columns + 1, 2)),
            second=np.zeros((columns, 2 * count + 1, 2 * count + 1)),
            squared_weights=zeros,
            max_weights=zeros,
            largest_weights=zeros,
            unsupported=zeros,
            most_units=0,
            n=0,
            clusters=0,
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What the ratios are, in their order."""
        return _columns(self.tunings, self.slots)

    def update(self, samples: Sequence[Logged], cluster: Keys) -> Self:
        """This state and n more units: a sample for each policy, of the same units, and the key of each
        unit's cluster (n,), such as its user.

        Raises InvalidInputError where a sample lacks what an estimator needs."""
        self._require(samples, cluster)
        order, starts = _by_cluster(cluster)
        part = replace(
            self,
            bins=np.zeros_like(self.bins),
            second=np.zeros_like(self.second),
            squared_weights=np.array([float(np.square(s.weight).sum()) for s in samples]),
            max_weights=np.array([s.weight.max(initial=0.0) for s in samples]),
            largest_weights=np.array([s.largest_weight for s in samples]),
            unsupported=np.array([_mass(s) for s in samples]),
            most_units=int(np.diff(starts, append=cluster.size).max(initial=0)),
            n=cluster.size,
            clusters=starts.size,
        )
        for units, first in _whole_clusters(starts, cluster.size, 8 * 4 * len(samples) * self.slots):
            chosen = units if order is None else order[units]
            part._add([s.take(chosen) for s in samples], cluster[chosen][first], first)
        return self.merge(part)

    def _add(self, samples: Sequence[Logged], keys: Keys, starts: Ints) -> None:
        """Add units that lie cluster by cluster, in place: only `update` sees the state meanwhile."""
        bin_of = deal(keys, self.seed, BINS)
        units = np.diff(starts, append=samples[0].n).astype(np.float64)
        count = len(samples)
        for c, pairs in enumerate(zip(*(self._pairs(s) for s in samples), strict=True)):
            sums = np.empty((2 * count + 1, keys.size))
            sums[-1] = units
            for p, pair in enumerate(pairs):
                for side, terms in enumerate(pair):
                    total = terms if keys.size == terms.size else np.add.reduceat(terms, starts)
                    sums[side * count + p] = total
                    self.bins[:, p, c, side] += np.bincount(bin_of, weights=total, minlength=BINS)
            if c < len(self.columns):
                self.second[c] += sums @ sums.T

    def _pairs(self, sample: Logged) -> Iterator[Pair]:
        """The pairs of all columns, and that of the mean weight."""
        for name, candidates in self.tunings.items():
            for tuning in candidates:
                yield from ESTIMATORS[name].terms(sample, tuning)
        yield sample.weight, np.ones(sample.n)

    def _require(self, samples: Sequence[Logged], cluster: Keys) -> None:
        if len(samples) != len(self.policies):
            raise InvalidInputError(f"{len(self.policies)} policies need a sample each, got {len(samples)}")
        if cluster.dtype != np.uint64 or any(cluster.shape != (sample.n,) for sample in samples):
            raise InvalidInputError(
                f"cluster must be one uint64 key for each of {samples[0].n} units, got {cluster.dtype} "
                f"{cluster.shape}"
            )
        for name in self.tunings:
            missing = ESTIMATORS[name].needs - frozenset.intersection(*(s.fields for s in samples))
            if missing:
                raise InvalidInputError(f"{name} needs {', '.join(sorted(missing))}, which is not there")

    def merge(self, other: Self) -> Self:
        """The rows of both. Raises InvalidInputError unless both were made alike."""
        mine, theirs = ((s.policies, s.tunings, s.slots, s.seed) for s in (self, other))
        if mine != theirs:
            raise InvalidInputError(f"cannot merge an evaluation of {mine} with one of {theirs}")
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in _ADDED},
            max_weights=np.maximum(self.max_weights, other.max_weights),
            largest_weights=np.maximum(self.largest_weights, other.largest_weights),
            most_units=max(self.most_units, other.most_units),
        )

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""
        return {
            "policies": np.array(self.policies),
            "estimators": np.array(list(self.tunings)),
            "candidates": np.array([len(candidates) for candidates in self.tunings.values()]),
            "tunings": np.concatenate([np.array(candidates) for candidates in self.tunings.values()]),
            "slots": np.asarray(self.slots),
            "seed": np.asarray(self.seed, dtype=np.uint64),
            **{name: np.asarray(getattr(self, name)) for name in (*_ADDED, *_LARGEST)},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        made = ("policies", "estimators", "candidates", "tunings", "slots", "seed")
        require_names(cls.__name__, arrays, (*made, *_ADDED, *_LARGEST))
        ends = np.cumsum(arrays["candidates"])[:-1]
        tunings = (tuple(map(float, candidates)) for candidates in np.split(arrays["tunings"], ends))
        return cls(
            policies=tuple(map(str, arrays["policies"])),
            tunings=dict(zip(map(str, arrays["estimators"]), tunings, strict=True)),
            slots=int(arrays["slots"]),
            seed=int(arrays["seed"]),
            bins=arrays["bins"],
            second=arrays["second"],
            squared_weights=arrays["squared_weights"],
            max_weights=arrays["max_weights"],
            largest_weights=arrays["largest_weights"],
            unsupported=arrays["unsupported"],
            most_units=int(arrays["most_units"]),
            n=int(arrays["n"]),
            clusters=int(arrays["clusters"]),
        )


def _columns(tunings: Mapping[str, tuple[float, ...]], slots: int) -> tuple[Column, ...]:
    return tuple(
        Column(name, tuning, pair)
        for name, candidates in tunings.items()
        for tuning in candidates
        for pair in range(ESTIMATORS[name].pairs(slots))
    )


def _by_cluster(cluster: Keys) -> tuple[Ints | None, Ints]:
    """An order in which each cluster's units lie together, and where in it each cluster starts. None for the
    order that is there already: every unit is a cluster of its own."""
    order = np.argsort(cluster, kind="stable")
    ordered = cluster[order]
    is_first = np.ones(cluster.size, dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_first)
    return (None, starts) if starts.size == cluster.size else (order, starts)


def _whole_clusters(starts: Ints, n: int, bytes_per_unit: int) -> Iterator[tuple[slice, Ints]]:
    """Slices of units that cut no cluster in two, with the places in them where clusters start."""
    average = max(1, n // max(1, starts.size))
    for clusters in row_chunks(starts.size, bytes_per_unit * average):
        begin = int(starts[clusters.start])
        end = int(starts[clusters.stop]) if clusters.stop < starts.size else n
        yield slice(begin, end), starts[clusters] - begin


def _mass(sample: Logged) -> float:
    mass = getattr(sample, "unsupported_mass", None)
    return float("nan") if mass is None else float(mass.sum())
