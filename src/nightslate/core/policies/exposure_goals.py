"""What exposure goals and budgets ask for, and whether any slates could give it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Goal:
    """The arms (places) that together get at least a `share` of all slots, or a number of `exposures`."""

    name: str
    arms: tuple[int, ...]
    share: float | None = None
    exposures: float | None = None

    def __post_init__(self) -> None:
        if (self.share is None) == (self.exposures is None):
            raise InvalidInputError(f"goal {self.name!r} must have a share or a number of exposures")
        if self.share is not None and not 0 < self.share <= 1:
            raise InvalidInputError(f"goal {self.name!r} must have a share in (0, 1], got {self.share}")
        if self.exposures is not None and not 0 < self.exposures < float("inf"):
            raise InvalidInputError(f"goal {self.name!r} must have exposures > 0, got {self.exposures}")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise InvalidInputError(f"goal {self.name!r} must name distinct arms, got {self.arms}")

    def required(self, total: float) -> float:
        """Exposures, where all arms together have `total`."""
        return self.share * total if self.share is not None else float(self.exposures or 0)


def membership(goals: tuple[Goal, ...], n_arms: int) -> Floats:
    """(G, A): 1 where the arm belongs to the goal."""
    members = np.zeros((len(goals), n_arms))
    for row, goal in zip(members, goals, strict=True):
        if min(goal.arms) < 0 or max(goal.arms) >= n_arms:
            raise InvalidInputError(f"goal {goal.name!r} names arms outside 0..{n_arms - 1}: {goal.arms}")
        row[list(goal.arms)] = 1.0
    return members


@dataclass(frozen=True, eq=False)
class Budget:
    """What exposures may use together: costs (A,) >= 0 of one exposure of each arm, 1 of those that are only
    counted and 0 of the others; `most` of it at most."""

    name: str
    costs: Floats
    most: float

    def __post_init__(self) -> None:
        if not ((self.costs >= 0) & np.isfinite(self.costs)).all():
            raise InvalidInputError(f"budget {self.name!r} must have finite costs >= 0")
        if not 0 < self.most < float("inf"):
            raise InvalidInputError(f"budget {self.name!r} must allow a number > 0, got {self.most}")

    def used(self, totals: Floats) -> float:
        """By exposures (A,)."""
        return float(self.costs @ totals)


@dataclass(frozen=True, eq=False)
class Unmoved:
    """Exposures (A,) that no multiplier takes away: all of the users whose weights are not multiplied, and
    what the floor gives to the others in their first slots."""

    randomised: Floats
    floor: Floats

    @classmethod
    def nothing(cls, n_arms: int) -> "Unmoved":
        """Nothing known of them."""
        return cls(np.zeros(n_arms), np.zeros(n_arms))

    @property
    def totals(self) -> Floats:
        return self.randomised + self.floor


def require_feasible(
    goals: tuple[Goal, ...], budgets: tuple[Budget, ...], totals: Floats, slots: int, unmoved: Unmoved
) -> None:
    """No arm is shown twice on a slate, slates have so many slots, and some exposures are there whatever the
    multipliers: a linear program. Of goals and budgets that don't fit together, those are named that would
    fit without any one of them. totals (A,): any exposures that the users can have."""
    asked: list[Goal | Budget] = [*goals, *budgets]
    if _fit(asked, totals, slots, unmoved):
        return
    for one in tuple(asked):
        others = [other for other in asked if other is not one]
        if not _fit(others, totals, slots, unmoved):
            asked = others
    total = float(totals.sum())
    at_hand = (
        f"{slots} slots give {total:.6g} exposures in all, at most {total / slots:.6g} of them to one arm"
    )
    if not any(isinstance(one, Budget) for one in asked):
        names = ", ".join(one.name for one in asked)
        raise InvalidInputError(
            f"exposure goals that no slates can meet: {names}; {at_hand}, and together these goals ask for"
            " more"
        )
    names = ", ".join(_in_words(one, total, unmoved) for one in asked)
    raise InvalidInputError(f"goals and budgets that no slates can meet together: {names}; {at_hand}")


def _in_words(asked: Goal | Budget, total: float, unmoved: Unmoved) -> str:
    if isinstance(asked, Goal):
        return f"{asked.name} (at least {asked.required(total):.6g} exposures)"
    return (
        f"{asked.name} (at most {asked.most:.6g}, of which randomised variants use"
        f" {asked.used(unmoved.randomised):.6g} and the floor {asked.used(unmoved.floor):.6g})"
    )


def _fit(asked: Sequence[Goal | Budget], totals: Floats, slots: int, unmoved: Unmoved) -> bool:
    if not asked:
        return True
    arms, total = len(totals), float(totals.sum())
    goals = tuple(one for one in asked if isinstance(one, Goal))
    budgets = [one for one in asked if isinstance(one, Budget)]
    required = np.array([goal.required(total) for goal in goals]) * (1 - _ROUNDING)
    allowed = np.array([budget.most for budget in budgets]) * (1 + _ROUNDING)
    costs = np.array([budget.costs for budget in budgets]).reshape(-1, arms)
    upper = max(1 / slots, 1 / arms)
    lower = np.minimum(unmoved.totals / total * (1 - _ROUNDING), upper)
    found = linprog(
        np.zeros(arms),
        A_ub=np.vstack([-membership(goals, arms), costs]),
        b_ub=np.concatenate([-required, allowed]) / total,
        A_eq=np.ones((1, arms)),
        b_eq=[1.0],
        bounds=np.column_stack([lower, np.full(arms, upper)]),
    )
    return bool(found.status == 0)
