"""Exposure goals and budgets as directions of the logarithms of multipliers, and how far each is from met.

A goal's direction is 1 at its arms. A budget's is -1 at the dearest arm and 0 at the cheapest one, in between
in proportion to what arms cost: along it exposures of dear arms fall, and so does what is used, by as much
of its range as a goal's share rises along the goal's."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Bools, Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exposure_goals import Budget, Goal, membership

_LARGEST_LOG_MULTIPLIER = np.log(1e9)
_FARTHEST = 230.0
_LEAST_LOG_MULTIPLIER = -600.0
"""Of all budgets of an arm together: a float64 times a probability is a number still."""


@dataclass(frozen=True, eq=False)
class Gaps:
    """Of each of L limits: by how much its logit must rise until it has what it asks for, whether it is unmet
    and whether its multiplier is larger than it needs to be."""

    gap: Floats
    unmet: Bools
    over: Bools


@dataclass(frozen=True, eq=False)
class Limits:
    """Goals first, then budgets: L limits over A arms. tolerance: goals are met from (1 - tolerance) of what
    they ask for; budgets are kept, and use (1 - tolerance) of what they allow where they bind at all.

    directions (L, A); farthest (L,): the largest logarithm m of each."""

    goals: tuple[Goal, ...]
    budgets: tuple[Budget, ...]
    tolerance: float
    directions: Floats
    farthest: Floats

    @classmethod
    def of(cls, goals: tuple[Goal, ...], budgets: tuple[Budget, ...], n_arms: int, tolerance: float) -> Self:
        """Raises InvalidInputError for names that stand twice and for costs of other arms."""
        names = [*(goal.name for goal in goals), *(budget.name for budget in budgets)]
        if len(set(names)) < len(names):
            raise InvalidInputError(f"goals must have names of their own, got {names}")
        for budget in budgets:
            if budget.costs.shape != (n_arms,):
                raise InvalidInputError(
                    f"budget {budget.name!r} needs a cost of each of {n_arms} arms, got {budget.costs.shape}"
                )
        down = [-(budget.costs - budget.costs.min()) / (np.ptp(budget.costs) or 1.0) for budget in budgets]
        directions = np.vstack([membership(goals, n_arms), *down])
        farthest = [_LARGEST_LOG_MULTIPLIER] * len(goals) + [_farthest(budget) for budget in budgets]
        return cls(goals, budgets, tolerance, directions, np.array(farthest))

    @property
    def plain(self) -> Floats:
        """(L, L) how the logits are taken to answer to the logarithms before anything is learnt of it."""
        most = float(np.abs(self.directions).sum(axis=0).max(initial=1.0))
        return np.eye(len(self.directions)) * most

    def by_arm(self, logs: Floats) -> Floats:
        """(A,) what the logarithms (L,) multiply each arm by."""
        return np.asarray(np.exp(np.maximum(logs @ self.directions, _LEAST_LOG_MULTIPLIER)))

    def gaps(self, logs: Floats, totals: Floats) -> Gaps:
        """By exposures (A,) under these logarithms (L,)."""
        total, end = float(totals.sum()), len(self.goals)
        got = self.directions[:end] @ totals / total
        asked = np.array([goal.required(total) / total for goal in self.goals])
        used = np.array([budget.used(totals) for budget in self.budgets])
        most = np.array([budget.most for budget in self.budgets])
        base = np.array([budget.costs.min() for budget in self.budgets]) * total
        reach = np.array([np.ptp(budget.costs) or np.inf for budget in self.budgets]) * total
        allowed = (most * (1 - self.tolerance / 2) - base) / reach
        raised, binds = logs > 0, logs[end:] > 0
        return Gaps(
            np.concatenate([_logit(asked) - _logit(got), _logit((used - base) / reach) - _logit(allowed)]),
            np.concatenate([got < asked * (1 - self.tolerance), used > most]),
            np.concatenate(
                [
                    raised[:end] & (got > asked * (1 + self.tolerance)),
                    binds & (used < most * (1 - self.tolerance)),
                ]
            ),
        )

    def in_words(self, which: Bools, totals: Floats) -> str:
        """Those of some limits, with what they get and what they ask for."""
        total, got = float(totals.sum()), self.directions[: len(self.goals)] @ totals
        goals = [
            f"{goal.name} ({shown:.6g} of {goal.required(total):.6g} exposures)"
            for goal, shown in zip(self.goals, got.tolist(), strict=True)
        ]
        budgets = [
            f"{budget.name} ({budget.used(totals):.6g} of {budget.most:.6g} at most)"
            for budget in self.budgets
        ]
        return ", ".join(np.array([*goals, *budgets])[which])

    def names(self, which: Bools) -> str:
        """Of some limits."""
        names = [*(goal.name for goal in self.goals), *(budget.name for budget in self.budgets)]
        return ", ".join(np.array(names)[which])


def _farthest(budget: Budget) -> float:
    """So far that the next cheapest arms have as small a multiplier beside the cheapest as an arm of a goal
    has a large one."""
    distinct = np.unique(budget.costs)
    if distinct.size < 2:
        return 0.0
    return min(_FARTHEST, float(_LARGEST_LOG_MULTIPLIER * np.ptp(distinct) / (distinct[1] - distinct[0])))


def _logit(shares: Floats) -> Floats:
    inside = np.clip(shares, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside) - np.log1p(-inside))
