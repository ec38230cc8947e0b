"""Several policies on the same logs: the sums that values, differences and intervals come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Ints, Keys, require_names
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import deal
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.clusters import by_cluster, whole_clusters
from nightslate.core.ope.estimator import Pair, RewardRange, Weighing
from nightslate.core.ope.influence import Extremes, NameOf, farthest
from nightslate.core.ope.intervals.betting import BETS, bets_of_policies
from nightslate.core.ope.ratios import (
    Ratio,
    Tunings,
    candidate_tunings,
    pairs_of,
    ratios_of,
    weighings_of,
)
from nightslate.core.ope.sample import Logged

BINS = 2048
"""Clusters are summed up in so many bins, by hash: enough that the spread of a value, taken between bins, is
itself known to 2 % or better."""

_ADDED = ("bins", "second", "bets", "squared_weights", "unsupported", "n", "clusters")
_LARGEST = ("max_weights", "largest_weights", "most_units")


@dataclass(frozen=True, eq=False)
class EvaluationState:
    """Sums over units (impressions; decisions or trajectories of `slots`) for P policies and C ratios.

    tunings: the estimators with the candidates for their tuning parameters.
    bins (BINS, P, C + X + 1, 2): numerators and denominators by bin of clusters; after the ratios come the X
    sums of weighted rewards and of weights that these estimators have, see `Estimator.weighing`, and last the
    mean importance weight. second (C + X, 2P + 1, 2P + 1): sums over clusters of the products of (numerators,
    denominators, number of units). bets (X, 2, P, P, E, 3): the sums of `intervals.betting` of what a policy
    gains and loses (of p and p), or gains over the logging policy and loses to it (of p and q); empty unless
    the range of a reward is given. Per policy (P,): the largest importance weight, the largest of any
    estimator, the sum of squares, and the unsupported mass (NaN where a sample does not know it). most_units:
    of one cluster.

    A cluster's bin is a hash of its key, so the approximate intervals are the same however rows are split
    into updates and partitions. `second`, `clusters` and `most_units`, which guaranteed intervals look at,
    want all rows of a cluster in one update. extremes: the units that may make an estimate alone, of updates
    that named them."""

    policies: tuple[str, ...]
    tunings: Tunings
    slots: int
    seed: int
    rewards: tuple[float, float] | None
    bins: Floats
    second: Floats
    bets: Floats
    squared_weights: Floats
    max_weights: Floats
    largest_weights: Floats
    unsupported: Floats
    most_units: int
    n: int
    clusters: int
    extremes: Extremes

    @classmethod
    def initial(
        cls,
        policies: tuple[str, ...],
        estimators: Sequence[str],
        tunings: Mapping[str, float] | None = None,
        slots: int = 1,
        seed: int = 0,
        rewards: RewardRange | None = None,
    ) -> Self:
        """The state of no rows. `tunings` fixes the tuning parameter of an estimator instead of choosing it
        from the data. `rewards`: for intervals that bet, the range of a reward. Raises InvalidInputError for
        repeated policies and unknown estimators."""
        if not policies or len(set(policies)) < len(policies):
            raise InvalidInputError(f"policies must be named and distinct, got {policies}")
        candidates = candidate_tunings(estimators, tunings or {})
        count, zeros = len(policies), np.zeros(len(policies))
        weighings = len(weighings_of(candidates))
        columns = len(ratios_of(candidates, slots)) + weighings
        return cls(
            policies=policies,
            tunings=candidates,
            slots=slots,
            seed=seed,
            rewards=rewards.of_each(slots) if rewards else None,
            bins=np.zeros((BINS, count, columns + 1, 2)),
            second=np.zeros((columns, 2 * count + 1, 2 * count + 1)),
            bets=np.zeros((weighings if rewards else 0, 2, count, count, BETS.size, 3)),
            squared_weights=zeros,
            max_weights=zeros,
            largest_weights=zeros,
            unsupported=zeros,
            most_units=0,
            n=0,
            clusters=0,
            extremes=Extremes.initial(count, columns - weighings),
        )

    @cached_property
    def columns(self) -> tuple[Ratio, ...]:
        """What the ratios are, in their order."""
        return ratios_of(self.tunings, self.slots)

    @cached_property
    def weighings(self) -> tuple[Weighing, ...]:
        """What the sums after the ratios are, in their order."""
        return weighings_of(self.tunings)

    def update(self, samples: Sequence[Logged], cluster: Keys, name_of: NameOf | None = None) -> Self:
        """This state and n more units: a sample for each policy, of the same units, and the key of each
        unit's cluster (n,), such as its user. name_of: what they are called, where one may have to be named.

        Raises InvalidInputError where a sample lacks what an estimator needs."""
        self._require(samples, cluster)
        order, starts = by_cluster(cluster)
        place = np.arange(cluster.size) if order is None else order
        part = replace(
            self,
            bins=np.zeros_like(self.bins),
            second=np.zeros_like(self.second),
            bets=np.zeros_like(self.bets),
            squared_weights=np.array([float(np.square(s.weight).sum()) for s in samples]),
            max_weights=np.array([s.weight.max(initial=0.0) for s in samples]),
            largest_weights=np.array([s.largest_weight for s in samples]),
            unsupported=np.array([_mass(s) for s in samples]),
            most_units=int(np.diff(starts, append=cluster.size).max(initial=0)),
            n=cluster.size,
            clusters=starts.size,
            extremes=Extremes.initial(len(samples), len(self.columns)),
        )
        for units, first in whole_clusters(starts, cluster.size, 8 * 4 * len(samples) * self.slots):
            chosen = units if order is None else order[units]
            taken = [s.take(chosen) for s in samples]
            found = part._add(taken, cluster[chosen][first], first, named=name_of is not None)
            if name_of:
                places, terms = found
                named = Extremes.of(place[units][places], terms, name_of)
                part = replace(part, extremes=part.extremes.merge(named))
        return self.merge(part)

    def _add(
        self, samples: Sequence[Logged], keys: Keys, starts: Ints, *, named: bool
    ) -> tuple[Ints, Floats]:
        """Add units that lie cluster by cluster, in place: only `update` sees the state meanwhile. Returns
        the places and terms of the farthest of them, see `Extremes`, if units are named."""
        bin_of = deal(keys, self.seed, BINS)
        units = np.diff(starts, append=samples[0].n).astype(np.float64)
        count = len(samples)
        places = np.zeros(self.extremes.units.shape, dtype=np.int64)
        extreme = np.zeros(self.extremes.terms.shape)
        for c, pairs in enumerate(zip(*(self._pairs(s) for s in samples), strict=True)):
            sums = np.empty((2 * count + 1, keys.size))
            sums[-1] = units
            for p, pair in enumerate(pairs):
                for side, terms in enumerate(pair):
                    total = terms if keys.size == terms.size else np.add.reduceat(terms, starts)
                    sums[side * count + p] = total
                    self.bins[:, p, c, side] += np.bincount(bin_of, weights=total, minlength=BINS)
                if named and c < len(self.columns):
                    places[p, c], extreme[p, c] = farthest(pair, (sums[p], sums[count + p]), starts)
            if c < len(self.second):
                self.second[c] += sums @ sums.T
            if self.rewards and 0 <= c - len(self.columns) < len(self.weighings):
                self.bets[c - len(self.columns)] += bets_of_policies(sums, self.rewards, self.slots)
        return places, extreme

    def _pairs(self, sample: Logged) -> Iterator[Pair]:
        """The pairs of all columns, those of weighings, and that of the mean weight."""
        yield from pairs_of(self.tunings, sample)
        for weighing in self.weighings:
            yield weighing(sample)
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
        mine, theirs = ((s.policies, s.tunings, s.slots, s.seed, s.rewards) for s in (self, other))
        if mine != theirs:
            raise InvalidInputError(f"cannot merge an evaluation of {mine} with one of {theirs}")
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in _ADDED},
            max_weights=np.maximum(self.max_weights, other.max_weights),
            largest_weights=np.maximum(self.largest_weights, other.largest_weights),
            most_units=max(self.most_units, other.most_units),
            extremes=self.extremes.merge(other.extremes),
        )

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""
        return {
            "policies": np.array(self.policies),
            "estimators": np.array(list(self.tunings)),
            "candidates": np.array([len(candidates) for candidates in self.tunings.values()]),
            "tunings": np.concatenate([np.array(candidates) for candidates in self.tunings.values()]),
            "slots": np.asarray(self.slots),
            "rewards": np.asarray(self.rewards or ()),
            "seed": np.asarray(self.seed, dtype=np.uint64),
            "farthest": self.extremes.units,
            "farthest_terms": self.extremes.terms,
            **{name: np.asarray(getattr(self, name)) for name in (*_ADDED, *_LARGEST)},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        made = ("policies", "estimators", "candidates", "tunings", "slots", "seed", "rewards")
        require_names(cls.__name__, arrays, (*made, "farthest", "farthest_terms", *_ADDED, *_LARGEST))
        ends = np.cumsum(arrays["candidates"])[:-1]
        tunings = (tuple(map(float, candidates)) for candidates in np.split(arrays["tunings"], ends))
        return cls(
            policies=tuple(map(str, arrays["policies"])),
            tunings=dict(zip(map(str, arrays["estimators"]), tunings, strict=True)),
            slots=int(arrays["slots"]),
            seed=int(arrays["seed"]),
            rewards=(float(arrays["rewards"][0]), float(arrays["rewards"][1]))
            if arrays["rewards"].size
            else None,
            bins=arrays["bins"],
            second=arrays["second"],
            bets=arrays["bets"],
            squared_weights=arrays["squared_weights"],
            max_weights=arrays["max_weights"],
            largest_weights=arrays["largest_weights"],
            unsupported=arrays["unsupported"],
            most_units=int(arrays["most_units"]),
            n=int(arrays["n"]),
            clusters=int(arrays["clusters"]),
            extremes=Extremes(arrays["farthest"], arrays["farthest_terms"]),
        )


def _mass(sample: Logged) -> float:
    mass = getattr(sample, "unsupported_mass", None)
    return float("nan") if mass is None else float(mass.sum())
