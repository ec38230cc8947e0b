"""What exposure goals ask for, and whether any slates could give it."""

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


def require_feasible(goals: tuple[Goal, ...], members: Floats, total: float, slots: int) -> None:
    """No arm is shown twice on a slate, and slates have so many slots: a linear program. Of goals that don't
    fit together, those are named that would fit without any one of them."""
    required = np.array([goal.required(total) for goal in goals]) * (1 - _ROUNDING)
    places = list(range(len(goals)))
    if _fit(members, required, total, slots):
        return
    for place in tuple(places):
        others = [other for other in places if other != place]
        if not _fit(members[others], required[others], total, slots):
            places = others
    names = ", ".join(goals[place].name for place in places)
    raise InvalidInputError(
        f"exposure goals that no slates can meet: {names}; {slots} slots give {total:.6g} exposures in all, "
        f"at most {total / slots:.6g} of them to one arm, and together these goals ask for more"
    )


def _fit(members: Floats, required: Floats, total: float, slots: int) -> bool:
    if not len(required):
        return True
    arms = members.shape[1]
    found = linprog(
        np.zeros(arms),
        A_ub=-members,
        b_ub=-required / total,
        A_eq=np.ones((1, arms)),
        b_eq=[1.0],
        bounds=(0, max(1 / slots, 1 / arms)),
    )
    return bool(found.status == 0)
