"""From sums to figures: every policy's value, every pair's paired difference, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import permutations
from typing import Any

import numpy as np

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Bootstrap, Interval
from nightslate.core.ope.intervals.delta import standard_error
from nightslate.core.ope.intervals.rule_of_three import RuleOfThree
from nightslate.core.ope.sample import effective_size
from nightslate.core.ope.statistic import Statistic
from nightslate.core.ope.statistics import Statistics
from nightslate.core.ope.tuning import least_error

Figures = dict[str, Any]

NOTHING_VARIES = (
    "nothing varies: all rewards that were seen are the same. A join of rewards that failed looks exactly"
    " like this; only the range that rewards can have bounds what has not been seen"
)
MODEL_ALONE = "nothing tells how far off a model alone is, so there is no interval"


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
    return list(Results(state, rewards).estimates(confidence, interval))


class Results:
    """The figures of a state."""

    def __init__(self, state: EvaluationState, rewards: RewardRange | None) -> None:
        self._state = state
        self._range_is_known = rewards is not None
        self._statistics = Statistics(state, rewards)
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
                    n=state.n,
                    clusters=state.clusters,
                    **self.figures(p, q, name, confidence, interval),
                    **(self._made_by_one(p, name) if q is None else {}),
                    **diagnostics[p],
                )

    def figures(self, p: int, q: int | None, name: str, confidence: float, interval: Interval) -> Figures:
        """Value, standard error, lower and upper bound, and how these were made. What a tuning parameter
        brings of bias is in no interval, so that of a tuned estimator reaches over the one of its first
        candidate too, which is unbiased: it covers no less often. One that is guaranteed is that of the first
        candidate, and holds the value that was chosen too."""
        tunings = [self.tuning(policy, name) for policy in (p, q) if policy is not None]
        if not ESTIMATORS[name].knows_its_error:
            statistic = self._statistic(p, q, name, *tunings)
            return {**_nothing_but(statistic), "interval_method": interval.name, "remark": MODEL_ALONE}
        first = self._state.tunings[name][0]
        figures = self._of(self._statistic(p, q, name, *tunings), confidence, interval)
        if set(tunings) == {first}:
            return figures
        untuned = self._of(self._statistic(p, q, name, *(first for _ in tunings)), confidence, interval)
        if interval.guaranteed and None not in (figures["value"], untuned["lower"]):
            figures = {**figures, "lower": figures["value"], "upper": figures["value"]}
        both = (figures, untuned)
        return {
            **figures,
            "lower": _hull((each["lower"] for each in both), min),
            "upper": _hull((each["upper"] for each in both), max),
        }

    def _made_by_one(self, p: int, name: str) -> Figures:
        """The unit that a value rests on, if there is one and units are named."""
        if not ESTIMATORS[name].knows_its_error:
            return {}
        tuning = self.tuning(p, name)
        ratios, value = self._statistics.ratios[name, tuning], self._statistics.of_value(p, name, tuning)
        found = self._state.extremes.made_by_one(p, ratios, value, self._state.clusters)
        if not found:
            return {}
        return {"made_by": found.unit, "moves": found.moves, "stderr_of_others": found.others}

    def _of(self, statistic: Statistic, confidence: float, interval: Interval) -> Figures:
        """Where nothing varies, nothing but the range of rewards bounds what has not been seen yet; but two
        policies that weigh everything alike do not differ, whatever the rewards."""
        if statistic.alike:
            nothing = dict.fromkeys(("value", "stderr", "lower", "upper"), 0.0)
            return {**nothing, "interval_method": interval.name}
        if not statistic.defined or not statistic.constant:
            return {**_figures(statistic, confidence, interval), "interval_method": interval.name}
        method = RuleOfThree() if self._range_is_known and not interval.guaranteed else interval
        return {
            **_figures(statistic, confidence, method),
            "interval_method": method.name,
            "remark": NOTHING_VARIES if statistic.parts > 1 else None,
        }

    def _statistic(
        self, p: int, q: int | None, name: str, tuning: float, other: float | None = None
    ) -> Statistic:
        """A policy's value by an estimator, or its difference to that of `q`."""
        if q is None or other is None:
            return self._statistics.of_value(p, name, tuning)
        return self._statistics.of_difference(p, q, name, tuning, other)

    def tuning(self, p: int, name: str) -> float:
        """The tuning parameter that is chosen for a policy; infinite where there is none."""
        if (p, name) not in self._chosen:
            self._chosen[p, name] = self._choose(p, name)
        return self._chosen[p, name]

    def _choose(self, p: int, name: str) -> float:
        candidates = self._state.tunings[name]
        if len(candidates) == 1 or self._state.clusters < 2:
            return candidates[0]
        each = [self._statistics.of_value(p, name, tuning) for tuning in candidates]
        stderrs = np.array([standard_error(statistic) or 0.0 for statistic in each])
        return candidates[least_error(np.array([statistic.value for statistic in each]), stderrs)]

    def _diagnostics(self, p: int, confidence: float, interval: Interval) -> Figures:
        """What an estimate says of the importance weights of its policy."""
        state, empty = self._state, self._state.n == 0
        weights = self._statistics.of_mean_weight(p)
        total, squares = float(weights.numerators.sum()), float(state.squared_weights[p])
        mean = _of_weights(weights, confidence, Bootstrap() if interval.guaranteed else interval)
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


def _figures(statistic: Statistic, confidence: float, interval: Interval) -> Figures:
    """Value, standard error, lower and upper bound."""
    bounds = interval(statistic, confidence) if statistic.defined else None
    return {**_nothing_but(statistic), **(asdict(bounds) if bounds else {})}


def _nothing_but(statistic: Statistic) -> Figures:
    """The value alone."""
    return {
        "value": statistic.value if statistic.defined else None,
        "stderr": None,
        "lower": None,
        "upper": None,
    }


def _of_weights(statistic: Statistic, confidence: float, interval: Interval) -> Figures:
    """The same of a mean weight. Weights are computed, not drawn: where they are all one number, that is
    what they are."""
    figures = _figures(statistic, confidence, interval)
    if statistic.defined and statistic.constant and statistic.parts > 1:
        return {**figures, "lower": statistic.value, "upper": statistic.value}
    return figures


def _hull(ends: Iterable[float | None], outermost: Callable[[list[float]], float]) -> float | None:
    """The outermost of the ends; None where one is missing."""
    known = list(ends)
    return None if None in known else outermost([end for end in known if end is not None])
