"""Sums over the users of an experiment's file, which merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments import Moments, SampleRatio
from nightslate.files.readout.options import Metric
from nightslate.files.readout.users import DAY, PROBABILITY, SEGMENT, VARIANT, sum_of


@dataclass(frozen=True)
class Probabilities:
    """With which users were assigned to the variant that they are in. least, most (V,): of each variant;
    ratio: of days and segments, where there are two variants, so that one's probability says the other's."""

    least: Floats
    most: Floats
    ratio: SampleRatio | None

    @classmethod
    def initial(cls, days: int, segments: int, variants: int) -> Self:
        """Of no users."""
        ratio = SampleRatio.initial(2, (days, segments)) if variants == 2 else None
        return cls(np.full(variants, np.inf), np.zeros(variants), ratio)

    def update(self, variant: Ints, own: Floats, cell: Ints) -> Self:
        """With users more: variant, probability and cell (u,) of each."""
        least, most, ratio = self.least.copy(), self.most.copy(), self.ratio
        np.minimum.at(least, variant, own)
        np.maximum.at(most, variant, own)
        if ratio is not None:
            of_second = np.where(variant == 1, own, 1 - own)
            ratio = ratio.update(variant, np.stack([1 - of_second, of_second], axis=-1), cell)
        return type(self)(least, most, ratio)


@dataclass(frozen=True)
class ReadoutSums:
    """unweighted: of each metric the moments by variant and segment; weighted: the same of users weighed by
    1 / probability, if they have one; seen (D, S, V): how many users are of each day, segment and variant."""

    unweighted: tuple[Moments, ...]
    weighted: tuple[Moments, ...] | None
    probabilities: Probabilities | None
    seen: Ints

    @classmethod
    def initial(
        cls, metrics: Sequence[Metric], days: int, segments: int, variants: int, weighs: bool
    ) -> Self:
        """Of no users."""
        moments = tuple(Moments.initial((variants, segments), 2 * len(metric.ratios)) for metric in metrics)
        return cls(
            moments,
            moments if weighs else None,
            Probabilities.initial(days, segments, variants) if weighs else None,
            np.zeros((days, segments, variants), dtype=np.int64),
        )

    @property
    def by_weight(self) -> tuple[Moments, ...]:
        """The moments that effects are made of."""
        return self.unweighted if self.weighted is None else self.weighted

    def update(self, users: pa.Table, metrics: Sequence[Metric], first_day: int) -> Self:
        """With users more, see `users`; metrics: those that it was made for."""
        _, segments, variants = self.seen.shape
        users = users.sort_by([(VARIANT, "ascending"), (SEGMENT, "ascending")])  # summed up much faster
        variant, segment = np.asarray(users[VARIANT]), np.asarray(users[SEGMENT])
        of_day = (np.asarray(users[DAY], dtype=np.int64) - first_day) * segments + segment
        seen = np.bincount(of_day * variants + variant, minlength=self.seen.size).reshape(self.seen.shape)
        probabilities, weighted = self.probabilities, self.weighted
        cell = variant * segments + segment
        if probabilities is not None and weighted is not None:
            own = np.asarray(users[PROBABILITY])
            probabilities = probabilities.update(variant, own, of_day)
            weighted = _updated(weighted, metrics, users, cell, 1 / own)
        unweighted = _updated(self.unweighted, metrics, users, cell, np.ones(1))
        return type(self)(unweighted, weighted, probabilities, self.seen + seen)


def _updated(
    moments: Sequence[Moments], metrics: Sequence[Metric], users: pa.Table, cell: Ints, weights: Floats
) -> tuple[Moments, ...]:
    return tuple(
        of_metric.update(cell, _columns(metric, users) * weights[:, None])
        for of_metric, metric in zip(moments, metrics, strict=True)
    )


def _columns(metric: Metric, users: pa.Table) -> Floats:
    """(n, K) numerator and denominator of the metric and of each of its covariates."""
    names = [name for ratio in metric.ratios for name in (ratio.numerator, ratio.denominator)]
    return np.stack([np.asarray(users[sum_of(name)]) for name in names]).T
