"""What a little more of a budget is worth: in nats of divergence, and in rewards. They are two numbers.

Multipliers minimise divergence, so the dual of a budget is in nats. What rewards change along the way is
another question, which expected rewards answer."""

from collections.abc import Callable

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Budget, Goal
from nightslate.core.policies.exposure_limits import Limits

_STEP = 0.01
"""Of a logarithm of a multiplier, to either side: differences are right to its square."""


def divergence_price(budget: Budget, multiplier: float, floor: float) -> float:
    """The dual of a budget where one slot is shown: by how many nats one unit more of it would lower the
    least Kullback-Leibler divergence of the tilted probabilities from the policies', summed over users.

    multiplier: that of `Solution.by_budget`; floor: the share of weight that is not tilted."""
    reach = float(np.ptp(budget.costs))
    return float(-np.log(multiplier)) / ((1 - floor) * reach) if multiplier < 1 else 0.0


def reward_prices(
    goals: tuple[Goal, ...],
    budgets: tuple[Budget, ...],
    solution: Solution,
    exposures_and_reward: Callable[[Floats], tuple[Floats, float]],
) -> Floats:
    """(B,) by how much one unit more of each budget would raise the reward that is expected of all users, had
    the multipliers been solved with it and all else as it was; 0 where a budget is not used up, and below 0
    where what it keeps back pays less than what is shown instead.

    `exposures_and_reward` maps multipliers (A,) to exposures (A,) and that reward: it is called twice for
    each goal and budget that binds. How both answer to the multipliers is found by central differences; the
    price is the slope of one along the other."""
    limits = Limits.of(goals, budgets, len(solution.multipliers), tolerance=0.0)
    binding = np.flatnonzero(np.concatenate([solution.by_goal > 1, solution.by_budget < 1]))
    prices = np.zeros(len(limits.directions))
    if binding.size:
        members, costs = limits.directions[: len(goals)], [budget.costs for budget in budgets]
        counts = np.vstack([members, *costs])[binding]
        ends = [
            tuple(
                exposures_and_reward(solution.multipliers * np.exp(step * limits.directions[one]))
                for step in (_STEP, -_STEP)
            )
            for one in binding
        ]
        moved = np.array([counts @ (up[0] - down[0]) for up, down in ends])
        earned = np.array([up[1] - down[1] for up, down in ends])
        prices[binding] = np.linalg.lstsq(moved, earned)[0]
    return prices[len(goals) :]
