"""Two gates, played on the same log night by night; apart from the tests, so that workers can import them.

Nights count from the first whose cohort is mature. What one looks at besides (support, effective sample size)
is left out of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from tests.benchmarks.gate.worlds import (
    FOLDS,
    NIGHTS,
    NOTHING_IS_BETTER,
    OTHERS_LOGGED,
    TEN_PERCENT,
    Log,
    World,
)

from nightslate.core.arrays import Floats, Ints
from nightslate.core.evidence import Stakes, Term, alpha_of, log_capital
from nightslate.core.hashing import seed

ALPHA = 0.05
WINDOW = 28
"""Nights that spending alpha over looks evaluates by default."""


@dataclass(frozen=True)
class Ending:
    """The night of a promotion (None: there was none), whether the very policy that was promoted is better
    than the champion by the margin, and whether any is that a challenger had been till then."""

    night: int | None = None
    policy_is_better: bool = False
    any_was_better: bool = False


def by_betting(log: Log, *, bounded: bool = False) -> Ending:
    """The capital of each challenger against 1 / its part of alpha. bounded: a log that shows all arms alike
    is known to give no weight over the number of arms."""
    world, arms = log.world, log.world.chances.size
    stakes = Stakes(0, 1, world.margin, world.max_units, arms if bounded else None)
    base = world.base * arms
    shown, earned = (sums.sum(axis=1) for sums in log.sums)
    terms = [Term.initial() for _ in world.challengers]
    policies: list[Floats] = []
    for night in range(NIGHTS):
        rows, known = log.rows(night, night), max(night - world.matures, 0)
        arm, reward, keys = log.arm[rows], log.reward[rows], log.user[rows].astype(np.uint64)
        tonight = [learner.shares(shown[:known], earned[:known]) for learner in world.challengers]
        policies += tonight
        for place, policy in enumerate(tonight):
            more = Term.initial().update(stakes, (policy * arms)[arm], base[arm], reward, keys)
            terms[place] = terms[place].merge(more)
        # in whichever order nights run, each sees the terms of the days before it: that any of them promotes
        # is one and the same event
        for place, term in enumerate(terms):
            if log_capital(term.log_growth[None]) >= -math.log(alpha_of(ALPHA, place + 1)):
                return _ending(world, night, tonight[place], policies)
    return Ending()


def by_spending_alpha_over_looks(log: Log) -> Ending:
    """The gate before: value - z stderr of cross-fitted doubly robust differences over a sliding window, with
    errors clustered by user. Look k has 6 alpha / (pi k)^2, shared by the challengers; looks are the nights
    of earlier dates that were run, be there anything to look at or not."""
    world, arms = log.world, log.world.chances.size
    shown, earned = log.sums
    policies: list[Floats] = []
    nights = range(NIGHTS)
    for night in reversed(nights) if world.backwards else nights:
        tonight = night + world.matures
        look = 1 if world.backwards else tonight + 1
        rows = log.rows(tonight - WINDOW + 1, night)
        user, arm, fold, reward = (column[rows] for column in (log.user, log.arm, log.fold, log.reward))
        if not user.size:
            continue
        z = NormalDist().inv_cdf(ALPHA * 6 / (math.pi * look) ** 2 / len(world.challengers))
        others = [
            [sums[: night + 1, _other(f)].sum(axis=1) for sums in (shown, earned)] for f in range(FOLDS)
        ]
        for learner in world.challengers:
            fitted = np.array([learner.shares(*sums) for sums in others])
            policies.append(fitted.mean(axis=0))
            gains = ((fitted - world.base) * arms)[fold, arm] * (reward - reward.mean())
            mean, stderr = _mean_and_stderr(gains, user)
            if stderr > 0 and mean + z * stderr > world.margin:
                return _ending(world, night, policies[-1], policies)
    return Ending()


def _other(fold: int) -> Ints:
    return np.delete(np.arange(FOLDS), fold)


def _mean_and_stderr(values: Floats, cluster: Ints) -> tuple[float, float]:
    mean = float(values.mean())
    apart = np.bincount(cluster - cluster.min(), values - mean)
    return mean, math.sqrt(apart @ apart) / values.size


def _ending(world: World, night: int, promoted: Floats, policies: Sequence[Floats]) -> Ending:
    return Ending(night + 1, world.is_better(promoted), any(map(world.is_better, policies)))


def endings(world: str, number: int) -> tuple[Ending, Ending]:
    """What betting and spending alpha over looks do in a world of this name."""
    log = _log((NOTHING_IS_BETTER | TEN_PERCENT)[world], world, number)
    return by_betting(log), by_spending_alpha_over_looks(log)


def endings_where_others_logged(world: str, number: int) -> tuple[Ending, Ending, Ending]:
    """What betting does without and with a bound of weights, and spending alpha over looks."""
    log = _log(OTHERS_LOGGED[world], world, number)
    return by_betting(log), by_betting(log, bounded=True), by_spending_alpha_over_looks(log)


def _log(world: World, name: str, number: int) -> Log:
    return Log.draw(world, np.random.default_rng(seed(name, str(number))))
