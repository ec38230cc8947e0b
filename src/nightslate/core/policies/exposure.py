"""Exposure goals and budgets: what must be shown how often over all users, and what at most, as one
multiplier of weights a goal or budget.

Exposure is the expected number of slates that show an arm in one of their first slots, summed over users. A
policy's probabilities are tilted by the multipliers, and only then mixed with the floor:

    sums = ExposureSums.zero(A).update(mix_floor(tilt(policy.weights(contexts), multipliers), floor), slots)

The floor holds because it comes last, goals hold because exposures are those of the weights as stored, and
what is stored are weights like any other: rankings stay Plackett-Luce and their propensities exact."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Sums, finite, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exposure_goals import Budget, Goal, Unmoved, require_feasible
from nightslate.core.policies.exposure_limits import Limits
from nightslate.core.policies.plackett_luce import marginal_propensities, require_arms, restrict

Exposures = Callable[[Floats], Floats]

_EXACT_SLOTS = (1, 2, 3)
_SMALLEST_MULTIPLIER = 1e-9
_LONGEST_STEP, _SHORTEST_LEAP = 4.0, 0.25
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Solution:
    """multipliers (A,): priority times those of the arm's goals and budgets. exposures (A,): what they lead
    to. by_goal (G,): each goal's multiplier, 1 where none is needed. by_budget (B,): what each budget
    multiplies its dearest arms by, beside its cheapest ones, 1 where none is needed. passes: how often
    exposures were summed to find them."""

    multipliers: Floats
    exposures: Floats
    by_goal: Floats
    passes: int
    by_budget: Floats = field(default_factory=lambda: np.ones(0))


@dataclass(frozen=True, eq=False)
class ExposureSums(Sums):
    """totals (A,): expected exposures of each arm."""

    totals: Floats

    @classmethod
    def zero(cls, n_arms: int) -> Self:
        """No users yet."""
        return cls(np.zeros(n_arms))

    def update(self, weights: NDArray[np.floating], slots: int, eligible: Bools | None = None) -> Self:
        """These sums and n more users: the weights (n, A) that are stored for them."""
        return self.merge(type(self)(inclusion_probabilities(weights, slots, eligible).sum(axis=0)))


def tilt(probabilities: Floats, multipliers: Floats) -> Floats:
    """(n, A) probabilities times (A,) multipliers, with rows that sum to 1 again."""
    multipliers = finite("multipliers", multipliers, probabilities.shape[1:])
    if not (multipliers > 0).all():
        raise InvalidInputError(f"{np.count_nonzero(multipliers <= 0)} multipliers are not > 0")
    tilted = probabilities * multipliers
    return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))


def inclusion_probabilities(
    weights: NDArray[np.floating], slots: int, eligible: Bools | None = None
) -> Floats:
    """(n, A): the probability that each arm is in one of the first `slots` slots; rows sum to `slots`.

    Exact for 1 to 3 slots. For more it is 1 - exp(-w t) with the t that makes rows sum to `slots` (Rosén,
    1997): arms ring at the rate of their weights, and t is about when the last slot fills. Exact sums would
    grow as A**slots; this is smooth and as monotone in the weights as the exact one. At 8 to 12 arms it was
    off by up to .08, which is much of a small probability; by less for more arms. Raises InvalidInputError
    where a row has fewer eligible arms."""
    if slots in _EXACT_SLOTS:
        return np.asarray(sum(marginal_propensities(weights, slot, eligible) for slot in range(1, slots + 1)))
    kept = restrict(weights, eligible)
    require_arms(kept, slots)
    included = np.empty_like(kept)
    for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 4):
        included[chunk] = _rung_when_full(kept[chunk], slots)
    return included


def solve(
    goals: tuple[Goal, ...],
    exposures: Exposures,
    slots: int,
    priorities: Floats,
    tolerance: float = 1e-3,
    max_passes: int = 200,
    budgets: tuple[Budget, ...] = (),
    unmoved: Unmoved | None = None,
) -> Solution:
    """The multipliers with which every goal is met and every budget kept: those of goals >= 1, those of
    budgets <= 1, none further from 1 than needed.

    `exposures` maps multipliers (A,) to totals (A,) over all users, by `ExposureSums`: one call is one pass.
    `priorities` (A,) > 0 are the campaigns' own multipliers and come first. Goals are met up to `tolerance`
    of what they ask for, and a goal with a multiplier over 1 gets no more than it asks for, up to the same.
    Budgets are kept, and one with a multiplier under 1 is used up but for `tolerance` of it. `unmoved`: the
    exposures that no multiplier takes away, as far as they are known; they tell sooner what can't be met.

    For one slot these are the multipliers of a projection: of all probabilities (before the floor) that meet
    goals and budgets, the tilted ones have the least Kullback-Leibler divergence from the policies', summed
    over users. Its dual, a convex function of the logarithms m >= 0 of all multipliers, is what is solved.

    A plain step adds logit(share asked) - logit(share now) to the logarithm m of every goal's multiplier, not
    below 0; a budget is a goal of the arms that don't use it. Why plain steps converge, for goals without
    common arms: (1) The logit of a goal's share of slots
    rises with its own m, by at most 1 for 1. For one slot of one user it is m plus a constant; each slot adds
    at most p(1 - p) to the slope of the share, and the mean of that over slots and users is at most
    share (1 - share), for p(1 - p) is concave. (2) It falls with the m of others, whose arms then rank
    earlier in every draw. So a step maps larger m to larger m, and steps from 0 climb to the least fixed
    point, where a goal is met exactly or has m = 0 (Kleene); nothing smaller meets the goals. With common
    arms, and with budgets, a step is divided by the most limits that an arm has: for one slot it descends the
    convex dual, the sum over users of the logarithm of their total weight, less m times what is asked.

    Where nobody is shown anything there is nothing to meet, and multipliers are 1.

    Plain steps are many where goals compete, and where policies are nearly sure of their arms, so how the
    gaps answer to m is learnt on the way (Broyden, 1965). A step that leaves the widest gap as wide is taken
    back, a plain one made, and learnt ones go half as far then, until they succeed again: what is learnt
    holds nearby. Whatever the path, only multipliers that meet the goals and keep the budgets are returned.

    Raises InvalidInputError, naming the goals and budgets with their numbers, where no slates could meet
    them, where floors alone exceed a budget, where weights cannot (the floor or eligibility stands against
    it), and where `max_passes` were not enough, as for goals that the floor keeps from being met together."""
    priorities = _checked(priorities, slots, tolerance)
    limits = Limits.of(goals, budgets, len(priorities), tolerance)
    unmoved = unmoved or Unmoved.nothing(len(priorities))
    totals = exposures(priorities)
    if not totals.any():  # nobody is shown anything
        return Solution(priorities, totals, np.ones(len(goals)), 1, np.ones(len(budgets)))
    require_feasible(goals, budgets, totals, slots, unmoved)
    _require_room(budgets, totals, lambda factors: exposures(priorities * factors), unmoved)
    plain = limits.plain
    logs, answer = np.zeros(len(plain)), plain
    before: tuple[Floats, Floats] | None = None
    longest = _LONGEST_STEP
    for passes in range(1, max_passes + 1):
        found = limits.gaps(logs, totals)
        gap = found.gap
        if not (found.unmet | found.over).any():
            by_goal, by_budget = np.exp(logs[: len(goals)]), np.exp(-logs[len(goals) :])
            return Solution(priorities * limits.by_arm(logs), totals, by_goal, passes, by_budget)
        if not found.over.any():
            _require_within_reach(limits, found.unmet & (logs >= limits.farthest), logs, totals)
        if before and answer is not plain and _widest(logs, gap) >= _widest(*before):
            longest = max(float(np.abs(logs - before[0]).max()) / 2, _SHORTEST_LEAP)
            (logs, gap), answer = before, plain
        elif before:
            longest = longest if answer is plain else min(2 * longest, _LONGEST_STEP)
            answer = _learnt(answer, logs - before[0], before[1] - gap)
        before = logs, gap
        step = _LONGEST_STEP if answer is plain else longest
        logs = np.clip(logs + np.clip(_move(logs, gap, answer, plain), -step, step), 0.0, limits.farthest)
        totals = exposures(priorities * limits.by_arm(logs))
    unmet = found.unmet | found.over
    if not budgets:
        raise InvalidInputError(
            f"{max_passes} passes did not meet the exposure goals {limits.names(unmet)}; allow more of them"
        )
    raise InvalidInputError(
        f"{max_passes} passes did not meet the exposure goals and budgets {limits.in_words(unmet, totals)}:"
        " it is likely that they, or the floor, stand against each other; ask for less, or allow more"
    )


def _require_room(
    budgets: tuple[Budget, ...], totals: Floats, exposures: Exposures, unmoved: Unmoved
) -> None:
    """Raise InvalidInputError where a budget is exceeded even if its arms are left nothing but the floor."""
    for budget in budgets:
        if budget.used(totals) <= budget.most:
            continue
        at_floor = exposures(np.where(budget.costs > budget.costs.min(), _SMALLEST_MULTIPLIER, 1.0))
        if budget.used(at_floor) > budget.most:
            raise InvalidInputError(
                f"budget {budget.name}: at most {budget.most:.6g}, and where its arms have no more than the"
                f" floor they still use {budget.used(at_floor):.6g}, of which randomised variants use"
                f" {budget.used(unmoved.randomised):.6g}; allow more, lower the floor or the share of"
                " randomised variants"
            )


def _widest(logs: Floats, gap: Floats) -> float:
    return float(np.abs(np.where(logs > 0, gap, np.maximum(gap, 0.0))).max())


def _learnt(answer: Floats, moved: Floats, closed: Floats) -> Floats:
    """Broyden's update: the nearest matrix (G, G) that explains by how much the last move closed the gaps."""
    squares = moved @ moved
    return answer + np.outer(closed - answer @ moved, moved) / squares if squares > 0 else answer


def _move(logs: Floats, gap: Floats, answer: Floats, plain: Floats) -> Floats:
    """What should close all gaps, but those of goals that are slack and stay so. A goal that the others would
    have move away from what it asks for makes its plain step instead."""
    move, active = np.zeros_like(logs), (logs > 0) | (gap > 0)
    move[active] = np.linalg.lstsq(answer[np.ix_(active, active)], gap[active])[0]
    return np.where(active & (move * gap <= 0), gap / plain.diagonal(), move)


def _checked(priorities: Floats, slots: int, tolerance: float) -> Floats:
    if slots < 1 or not 0 < tolerance < 1:
        raise InvalidInputError(f"slots must be >= 1 and tolerance in (0, 1), got {slots} and {tolerance}")
    priorities = finite("priorities", priorities, np.shape(priorities)[:1])
    if not (priorities > 0).all():
        raise InvalidInputError(f"{np.count_nonzero(priorities <= 0)} campaign priorities are not > 0")
    return priorities


def _require_within_reach(limits: Limits, stuck: Bools, logs: Floats, totals: Floats) -> None:
    if not stuck.any():
        return
    words = limits.in_words(stuck, totals)
    if not limits.budgets:
        raise InvalidInputError(
            f"exposure goals that no multiplier meets: {words}; the floor, other goals or who is eligible "
            "stand against them"
        )
    against = limits.names(~stuck & (logs > 0)) or "no other goal or budget"
    raise InvalidInputError(
        f"exposure goals and budgets that no multiplier meets: {words}; the floor, who is eligible or"
        f" {against} stand against them"
    )


def _rung_when_full(weights: Floats, slots: int) -> Floats:
    """1 - exp(-w t), t by Newton's method, which climbs to the root of an increasing concave function."""
    when = slots / weights.sum(axis=1, keepdims=True)
    full = np.count_nonzero(weights, axis=1, keepdims=True) == slots
    for _ in range(100):
        silent = np.exp(-weights * when)
        missing = np.where(full, 0.0, slots - (1 - silent).sum(axis=1, keepdims=True))
        if (missing < _ROUNDING).all():
            break
        when = when + missing / (weights * silent).sum(axis=1, keepdims=True)
    return np.where(full, weights > 0, -np.expm1(-weights * when))
