"""From the sums of a state to the statistics that intervals look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.estimator import Limits, RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.statistic import Bets, Clustered, Sides, Span, Statistic

_UNKNOWN = RewardRange(0.0, 1.0)
"""Stands for a range that nobody stated: intervals which look at one are refused without it."""


class Statistics:
    """The statistics of a state; `rewards`: what is known of their range before the data."""

    def __init__(self, state: EvaluationState, rewards: RewardRange | None) -> None:
        self._state = state
        self._rewards = rewards or _UNKNOWN
        self._totals = state.bins.sum(axis=0)

    def of_value(self, p: int, name: str, tuning: float) -> Statistic:
        """A policy's value by an estimator."""
        columns = self.ratios[name, tuning]
        chosen = self._state.bins[:, p, columns, :]
        return Statistic(
            signs=np.ones(columns.size),
            numerators=chosen[:, :, 0].T,
            denominators=chosen[:, :, 1].T,
            units=self._state.bins[:, p, -1, 1],
            clustered=tuple(
                (1.0, self._clustered(p, int(c), span))
                for c, span in zip(columns, self._spans(p, name, tuning), strict=True)
            ),
            sides=self._sides(p, None, name, tuning),
            seed=self._state.seed,
        )

    def of_difference(self, p: int, q: int, name: str, tuning: float, other_tuning: float) -> Statistic:
        """What policy p has more than q, which has a tuning parameter of its own."""
        value, other = self.of_value(p, name, tuning), self.of_value(q, name, other_tuning)
        parts = (*value.clustered, *((-sign, part) for sign, part in other.clustered))
        if ESTIMATORS[name].counts and tuning == other_tuning:
            parts = ((1.0, self._paired(p, q, name, tuning)),)
        return Statistic(
            signs=np.concatenate([value.signs, -other.signs]),
            numerators=np.concatenate([value.numerators, other.numerators]),
            denominators=np.concatenate([value.denominators, other.denominators]),
            units=value.units,
            clustered=parts,
            sides=self._sides(p, q, name, tuning) if tuning == other_tuning else None,
            seed=value.seed,
            alike=self._weigh_alike(p, q),
        )

    def of_mean_weight(self, p: int) -> Statistic:
        """The mean importance weight of whole units."""
        sums: Floats = self._state.bins[:, p, -1, :]
        return Statistic(
            signs=np.ones(1),
            numerators=sums[None, :, 0],
            denominators=sums[None, :, 1],
            units=sums[:, 1],
            clustered=(),
            sides=None,
            seed=self._state.seed,
        )

    def limits(self, p: int) -> Limits:
        """What bounds a policy's terms."""
        seen = float(self._state.largest_weights[p])
        most = self._rewards.max_weight or seen
        if seen > most:
            raise InvalidInputError(f"a weight of {seen:.6g} was seen, over the largest possible {most:.6g}")
        if self._weighs_1(p):
            most = 1.0
        low, high = self._rewards.of_each(self._state.slots)
        return Limits(low, high, most, self._state.slots)

    def _weighs_1(self, p: int) -> bool:
        """Whether all weights of a policy are 1, as those of the logging policy are by definition."""
        largest, total = self._state.largest_weights[p], self._totals[p, -1, 0]
        return bool(largest == 1 and total == self._state.n)

    def _weigh_alike(self, p: int, q: int) -> bool:
        weights = self._state.bins[:, :, -1, 0]
        return self._state.n > 0 and np.array_equal(weights[:, p], weights[:, q])

    @cached_property
    def ratios(self) -> dict[tuple[str, float], Ints]:
        """The places of the ratios of an estimator at a tuning parameter."""
        keys = [(column.estimator, column.tuning) for column in self._state.columns]
        return {key: np.flatnonzero([key == other for other in keys]) for key in keys}

    def _spans(self, p: int, name: str, tuning: float) -> tuple[Span, ...]:
        return ESTIMATORS[name].spans(self.limits(p), tuning)

    def _clustered(self, p: int, column: int, span: Span) -> Clustered:
        """One ratio of a policy, cluster by cluster."""
        count = len(self._state.policies)
        places = [p, count + p, 2 * count]
        return Clustered(
            a=float(self._totals[p, column, 0]),
            b=float(self._totals[p, column, 1]),
            clusters=self._state.clusters,
            most_units=self._state.most_units,
            second=self._state.second[column][np.ix_(places, places)],
            span=span,
        )

    def _paired(self, p: int, q: int, name: str, tuning: float) -> Clustered:
        """The difference of two means as one mean of differences."""
        span, other = self._spans(p, name, tuning)[0], self._spans(q, name, tuning)[0]
        column = int(self.ratios[name, tuning][0])
        return self._mean(column, {p: (1.0, 0.0), q: (-1.0, 0.0)}, span - other)

    def _sides(self, p: int, q: int | None, name: str, tuning: float) -> Sides | None:
        """The value, or the difference to that of q, as what weighted rewards are over the least that they
        could be and under the most."""
        weighing = ESTIMATORS[name].weighing
        if weighing is None or tuning != ESTIMATORS[name].tunings[0]:
            return None
        x, limits = self._state.weighings.index(weighing), self.limits(p)
        least, most = limits.slots * limits.low, limits.slots * limits.high
        gain, loss = self._gain_and_loss(x, p, p)
        if q is None:
            return Sides((gain,), (loss,), least, most, Span(least, most))
        possible = Span(least - most, most - least)
        if self._weighs_1(q):
            gain, loss = self._gain_and_loss(x, p, q)
            return Sides((gain,), (loss,), 0.0, 0.0, possible)
        others_gain, others_loss = self._gain_and_loss(x, q, q)
        return Sides((gain, others_loss), (loss, others_gain), possible.low, possible.high, possible)

    def _gain_and_loss(self, x: int, p: int, q: int) -> tuple[Clustered, Clustered]:
        """Of p alone, or of p over q, which is another."""
        limits = self.limits(p)
        gains, losses = {p: (1.0, -limits.low)}, {p: (-1.0, limits.high)}
        most = limits.slots * limits.width
        span = Span(0.0, limits.max_weight * most)
        if q != p:
            gains[q], losses[q] = (-1.0, limits.low), (1.0, -limits.high)
            span -= Span(0.0, self.limits(q).max_weight * most)
        gain, loss = (self._mean(len(self._state.columns) + x, of, span) for of in (gains, losses))
        if not self._state.bets.size:
            return gain, loss
        won = self._state.bets[x, :, p, q]
        return (
            replace(gain, bets=Bets(won[0], limits.width)),
            replace(loss, bets=Bets(won[1], limits.width)),
        )

    def _mean(self, column: int, of_policies: Mapping[int, tuple[float, float]], span: Span) -> Clustered:
        """The mean over units of so many times the numerators and denominators of a column, by policy."""
        count = len(self._state.policies)
        directions = np.zeros((3, 2 * count + 1))
        directions[1:, -1] = 1.0
        for policy, (numerators, denominators) in of_policies.items():
            directions[0, [policy, count + policy]] = numerators, denominators
        totals = np.append(self._totals[:, column, :].T.ravel(), self._state.n)
        return Clustered(
            a=float(directions[0] @ totals),
            b=float(self._state.n),
            clusters=self._state.clusters,
            most_units=self._state.most_units,
            second=directions @ self._state.second[column] @ directions.T,
            span=span,
        )
