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
class ReadoutSums:
    """Of each metric the moments by variant and segment, of users weighed by 1 / probability, and of the same
    users unweighed where there are probabilities; how many users are of each day, segment and variant, seen
    (D, S, V); with two variants and probabilities the sample ratio of days and segments; and the least and
    the largest probability of each variant, (2, V)."""

    weighed: tuple[Moments, ...]
    unweighed: tuple[Moments, ...]
    seen: Ints
    ratio: SampleRatio | None
    probabilities: Floats

    @classmethod
    def initial(
        cls, metrics: Sequence[Metric], days: int, segments: int, variants: int, weighs: bool
    ) -> Self:
        """Of no users."""
        moments = tuple(Moments.initial((variants, segments), 2 * len(metric.ratios)) for metric in metrics)
        return cls(
            moments,
            moments if weighs else (),
            np.zeros((days, segments, variants), dtype=np.int64),
            SampleRatio.initial(2, (days, segments)) if weighs and variants == 2 else None,
            np.stack([np.full(variants, np.inf), np.zeros(variants)]),
        )

    def update(self, users: pa.Table, metrics: Sequence[Metric], first_day: int) -> Self:
        """With users more, see `users`; metrics: those that it was made for."""
        _, segments, variants = self.seen.shape
        users = users.sort_by([(VARIANT, "ascending"), (SEGMENT, "ascending")])  # summed up much faster
        variant, segment = np.asarray(users[VARIANT]), np.asarray(users[SEGMENT])
        at = (np.asarray(users[DAY], dtype=np.int64) - first_day) * segments + segment
        cell = variant * segments + segment
        seen = np.bincount(at * variants + variant, minlength=self.seen.size).reshape(self.seen.shape)
        weights = self._weights(users)
        ratio, probabilities = self.ratio, self.probabilities
        if weights is not None:
            own = np.asarray(users[PROBABILITY])
            least, most = probabilities[0].copy(), probabilities[1].copy()
            np.minimum.at(least, variant, own)
            np.maximum.at(most, variant, own)
            probabilities = np.stack([least, most])
        if ratio is not None:
            of_second = np.where(variant == 1, own, 1 - own)
            ratio = ratio.update(variant, np.stack([1 - of_second, of_second], axis=-1), at)
        return type(self)(
            _updated(self.weighed, metrics, users, cell, weights),
            _updated(self.unweighed, metrics, users, cell, None),
            self.seen + seen,
            ratio,
            probabilities,
        )

    def _weights(self, users: pa.Table) -> Floats | None:
        """(n,) of each user; None where all have the same."""
        return 1 / np.asarray(users[PROBABILITY]) if PROBABILITY in users.column_names else None


def _updated(
    moments: Sequence[Moments], metrics: Sequence[Metric], users: pa.Table, cell: Ints, weights: Floats | None
) -> tuple[Moments, ...]:
    return tuple(
        of_metric.update(cell, _columns(metric, users, weights))
        for of_metric, metric in zip(moments, metrics, strict=False)
    )


def _columns(metric: Metric, users: pa.Table, weights: Floats | None) -> Floats:
    """(n, K) numerator and denominator of the metric and of each of its covariates."""
    names = [name for ratio in metric.ratios for name in (ratio.numerator, ratio.denominator)]
    columns = np.stack([np.asarray(users[sum_of(name)]) for name in names]).T
    return columns if weights is None else columns * weights[:, None]
