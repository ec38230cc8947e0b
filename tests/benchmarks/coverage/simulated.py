"""What the coverage benchmark does with one simulated log; apart, so that worker processes can import it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from tests.oracles import bandit_logs
from tests.oracles.bandit_logs import World

from nightslate.core.arrays import Floats
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.results import Results
from nightslate.core.ope.statistics import Statistics

CONFIDENCE = 0.95
UNTUNED = ("ips", "snips", "dr")
ESTIMATORS = (*UNTUNED, "dros")
WORLDS: dict[str, tuple[Callable[[], World], int]] = {
    "light tails": (bandit_logs.light_tails, 1000),
    "heavy tails": (bandit_logs.heavy_tails, 1000),
    "clustered users": (bandit_logs.clustered_users, 500),
}
"""Each with the number of users in a log."""

LOOKS = np.unique(np.geomspace(20, 1000, 12).astype(int))
"""Numbers of users at which a growing log is looked at."""

SEQUENCES = ("anytime", "delta")
GUARANTEED = tuple(name for name, interval in INTERVALS.items() if interval.guaranteed)


@dataclass(frozen=True)
class Target:
    """What an interval is to cover: a policy's value, or how much more it is than that of another."""

    name: str
    policy: int
    reference: int | None

    def truth(self, world: World) -> float:
        values = [world.value(policy) for policy in world.policies]
        return values[self.policy] - (0.0 if self.reference is None else values[self.reference])


TARGETS = (Target("value", 0, None), Target("difference", 0, 1))


def intervals_of_a_log(name: str, seed: int) -> Floats:
    """(targets, estimators, intervals and GUARANTEED again, 2) the lower and upper bounds; NaN for none. The
    last ones are those of an estimator's own terms, which know nothing of weights of 1 in expectation."""
    world, users = _world(name)
    state = _state(world, ESTIMATORS).update(*world.draw(users, seed))
    found, statistics = _results(world, state), Statistics(state, _range(world))
    return np.array(
        [
            [
                _bounds(found, target, estimator, INTERVALS) + _own_bounds(statistics, target, estimator)
                for estimator in ESTIMATORS
            ]
            for target in TARGETS
        ]
    )


def misses_of_a_growing_log(name: str, seed: int) -> Floats:
    """(targets, untuned estimators, sequences) whether the interval of any look excludes the truth."""
    world, _ = _world(name)
    truths = np.array([target.truth(world) for target in TARGETS])[:, None, None]
    state = _state(world, UNTUNED)
    missed = np.zeros((len(TARGETS), len(UNTUNED), len(SEQUENCES)), dtype=np.bool_)
    for look, more in enumerate(np.diff(LOOKS, prepend=0)):
        state = state.update(*world.draw(int(more), seed * len(LOOKS) + look))
        found = _results(world, state)
        lower, upper = np.moveaxis(
            [[_bounds(found, target, estimator, SEQUENCES) for estimator in UNTUNED] for target in TARGETS],
            -1,
            0,
        )
        missed |= (truths < lower) | (truths > upper)
    return missed.astype(np.float64)


@cache
def _world(name: str) -> tuple[World, int]:
    world, users = WORLDS[name]
    return world(), users


def _state(world: World, estimators: Sequence[str]) -> EvaluationState:
    return EvaluationState.initial(tuple(world.policies), estimators, rewards=_range(world))


def _range(world: World) -> RewardRange:
    return RewardRange(0.0, 1.0, world.largest_weight)


def _results(world: World, state: EvaluationState) -> Results:
    return Results(state, _range(world))


def _own_bounds(statistics: Statistics, target: Target, estimator: str) -> list[tuple[float, float]]:
    if estimator not in UNTUNED:
        return [(np.nan, np.nan)] * len(GUARANTEED)
    if target.reference is None:
        statistic = statistics.of_value(target.policy, estimator, np.inf)
    else:
        statistic = statistics.of_difference(target.policy, target.reference, estimator, np.inf, np.inf)
    own = replace(statistic, sides=None)
    bounds = (INTERVALS[name](own, CONFIDENCE) for name in GUARANTEED)
    return [(each.lower, each.upper) if each else (np.nan, np.nan) for each in bounds]


def _bounds(
    found: Results, target: Target, estimator: str, intervals: Iterable[str]
) -> list[tuple[float, float]]:
    figures = (
        found.figures(target.policy, target.reference, estimator, CONFIDENCE, INTERVALS[name])
        for name in intervals
    )
    return [
        (np.nan, np.nan) if each["lower"] is None or each["upper"] is None else (each["lower"], each["upper"])
        for each in figures
    ]
