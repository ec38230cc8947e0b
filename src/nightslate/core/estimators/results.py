"""From sums to figures: every policy's value, every pair's paired difference, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import permutations

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import ESTIMATORS
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.estimators.estimator import Limits, RewardRange
from nightslate.core.estimators.evaluation import EvaluationState
from nightslate.core.estimators.intervals import Bootstrap, Interval
from nightslate.core.estimators.intervals.delta import standard_error
from nightslate.core.estimators.sample import effective_size
from nightslate.core.estimators.statistic import Clustered, Span, Statistic
from nightslate.core.estimators.tuning import least_error


def results(
    state: EvaluationState,
    confidence: float = 0.95,
    interval: Interval | None = None,
    rewards: RewardRange | None = None,
) -> list[Estimate]:
    """Each policy's value by each estimator, then each ordered pair's paired difference.

    interval: the bootstrap unless given. rewards: what is known of their range before the data, which
    guaranteed intervals need; the largest weight is the largest that was seen where it says none. Raises
    InvalidInputError without it, and for a confidence outside (0, 1)."""
    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence must be in (0, 1), got {confidence}")
    interval = interval or Bootstrap()
    if interval.guaranteed and rewards is None:
        raise InvalidInputError(f"the interval {interval.name} needs the range that rewards can have")
    return list(Results(state, rewards or RewardRange(0.0, 1.0)).estimates(confidence, interval))


class Results:
    """The statistics of a state."""

    def __init__(self, state: EvaluationState, rewards: RewardRange) -> None:
        self._state = state
        self._rewards = rewards
        self._totals = state.bins.sum(axis=0)
        self._chosen: dict[tuple[int, str], float] = {}

    def estimates(self, confidence: float, interval: Interval) -> Iterator[Estimate]:
        """All lines: values first."""
        state = self._state
        policies = range(len(state.policies))
        diagnostics = [self._diagnostics(p, confidence, interval) for p in policies]
        pairs: list[tuple[int, int | None]] = [*((p, None) for p in policies), *permutations(policies, 2)]
        for p, q in pairs:
            for name in state.tunings:
                tuning = self.tuning(p, name)
                yield Estimate(
                    policy=state.policies[p],
                    reference=None if q is None else state.policies[q],
                    estimator=name,
                    tuning=tuning if math.isfinite(tuning) else None,
                    confidence=confidence,
                    interval_method=interval.name,
                    n=state.n,
                    clusters=state.clusters,
                    **self.figures(p, q, name, confidence, interval),
                    **diagnostics[p],
                )

    def figures(
        self, p: int, q: int | None, name: str, confidence: float, interval: Interval
    ) -> dict[str, float | None]:
        """Value, standard error, lower and upper bound. What a tuning parameter brings of bias is in no
        interval, so that of a tuned estimator reaches over the one of its first candidate too, which is
        unbiased: it covers no less often."""
        tunings = [self.tuning(policy, name) for policy in (p, q) if policy is not None]
        first = self._state.tunings[name][0]
        figures = _figures(self._statistic(p, q, name, *tunings), confidence, interval)
        if set(tunings) == {first}:
            return figures
        untuned = _figures(self._statistic(p, q, name, *(first for _ in tunings)), confidence, interval)
        both = (figures, untuned)
        return {
            **figures,
            "lower": _hull((each["lower"] for each in both), min),
            "upper": _hull((each["upper"] for each in both), max),
        }

    def _statistic(
        self, p: int, q: int | None, name: str, tuning: float, other: float | None = None
    ) -> Statistic:
        """A policy's value by an estimator, or its difference to that of `q`."""
        value = self._at(p, name, tuning)
        return value if q is None or other is None else self._difference(value, p, q, name, tuning, other)

    def tuning(self, p: int, name: str) -> float:
        """The tuning parameter that is chosen for a policy; infinite where there is none."""
        if (p, name) not in self._chosen:
            self._chosen[p, name] = self._choose(p, name)
        return self._chosen[p, name]

    def _choose(self, p: int, name: str) -> float:
        candidates = self._state.tunings[name]
        if len(candidates) == 1 or self._state.clusters < 2:
            return candidates[0]
        each = [self._at(p, name, tuning) for tuning in candidates]
        stderrs = np.array([standard_error(statistic) or 0.0 for statistic in each])
        return candidates[least_error(np.array([statistic.value for statistic in each]), stderrs)]

    @cached_property
    def _columns(self) -> dict[tuple[str, float], Ints]:
        """The places of the pairs of an estimator at a tuning parameter."""
        keys = [(column.estimator, column.tuning) for column in self._state.columns]
        return {key: np.flatnonzero([key == other for other in keys]) for key in keys}

    def _at(self, p: int, name: str, tuning: float) -> Statistic:
        columns = self._columns[name, tuning]
        chosen = self._state.bins[:, p, columns, :]
        weight = self._state.bins[:, p, -1, :]
        return Statistic(
            signs=np.ones(columns.size),
            numerators=chosen[:, :, 0].T,
            denominators=chosen[:, :, 1].T,
            units=weight[:, 1],
            clustered=tuple(
                (1.0, self._clustered(p, int(c), span))
                for c, span in zip(columns, self._spans(p, name, tuning), strict=True)
            ),
            seed=self._state.seed,
        )

    def _difference(
        self, value: Statistic, p: int, q: int, name: str, tuning: float, other_tuning: float
    ) -> Statistic:
        other = self._at(q, name, other_tuning)
        parts = (*value.clustered, *((-sign, part) for sign, part in other.clustered))
        if ESTIMATORS[name].counts and tuning == other_tuning:
            parts = ((1.0, self._paired(p, q, name, tuning)),)
        return Statistic(
            signs=np.concatenate([value.signs, -other.signs]),
            numerators=np.concatenate([value.numerators, other.numerators]),
            denominators=np.concatenate([value.denominators, other.denominators]),
            units=value.units,
            clustered=parts,
            seed=value.seed,
        )

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
        column = int(self._columns[name, tuning][0])
        count = len(self._state.policies)
        directions = np.zeros((3, 2 * count + 1))
        directions[0, [p, q]] = 1.0, -1.0
        directions[1:, -1] = 1.0
        span, other = self._spans(p, name, tuning)[0], self._spans(q, name, tuning)[0]
        return Clustered(
            a=float(self._totals[p, column, 0] - self._totals[q, column, 0]),
            b=float(self._totals[p, column, 1]),
            clusters=self._state.clusters,
            most_units=self._state.most_units,
            second=directions @ self._state.second[column] @ directions.T,
            span=span - other,
        )

    def _spans(self, p: int, name: str, tuning: float) -> tuple[Span, ...]:
        return ESTIMATORS[name].spans(self._limits(p), tuning)

    def _limits(self, p: int) -> Limits:
        """A slate may leave slots empty and a trajectory may end before others, which is a reward of 0."""
        seen = float(self._state.largest_weights[p])
        most = self._rewards.max_weight or seen
        if seen > most:
            raise InvalidInputError(f"a weight of {seen:.6g} was seen, over the largest possible {most:.6g}")
        low, high = self._rewards.low, self._rewards.high
        if self._state.slots > 1:
            low, high = min(0.0, low), max(0.0, high)
        return Limits(low, high, most, self._state.slots)

    def _diagnostics(self, p: int, confidence: float, interval: Interval) -> dict[str, float | None]:
        """What an estimate says of the importance weights of its policy."""
        state, empty = self._state, self._state.n == 0
        total, squares = float(self._totals[p, -1, 0]), float(state.squared_weights[p])
        mean = _figures(self._mean_weight(p), confidence, Bootstrap() if interval.guaranteed else interval)
        unsupported = float(state.unsupported[p]) / max(1, state.n)
        if math.isnan(unsupported):
            # weights of what the logs could show have a mean of 1 less the mass that they could not
            unsupported = max(0.0, 1 - total / max(1, state.n))
        return {
            "ess": None if empty else float(effective_size(total, squares)),
            "max_weight": None if empty else float(state.max_weights[p]),
            "mean_weight": mean["value"],
            "mean_weight_lower": mean["lower"],
            "mean_weight_upper": mean["upper"],
            "unsupported_share": None if empty else unsupported,
        }

    def _mean_weight(self, p: int) -> Statistic:
        sums: Floats = self._state.bins[:, p, -1, :]
        return Statistic(
            signs=np.ones(1),
            numerators=sums[None, :, 0],
            denominators=sums[None, :, 1],
            units=sums[:, 1],
            clustered=(),
            seed=self._state.seed,
        )


def _figures(statistic: Statistic, confidence: float, interval: Interval) -> dict[str, float | None]:
    """Value, standard error, lower and upper bound."""
    bounds = interval(statistic, confidence) if statistic.defined else None
    return {
        "value": statistic.value if statistic.defined else None,
        "stderr": bounds.stderr if bounds else None,
        "lower": bounds.lower if bounds else None,
        "upper": bounds.upper if bounds else None,
    }


def _hull(ends: Iterable[float | None], outermost: Callable[[list[float]], float]) -> float | None:
    """The outermost of the ends; None where one is missing."""
    known = list(ends)
    return None if None in known else outermost([end for end in known if end is not None])
