"""Steps of trajectories: what was known, what was done, what came of it, and what was known next."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, ArrayRecord, Bools, Floats, Ints, finite, indices
from nightslate.core.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class Transitions(ArrayRecord):
    """n transitions of d features of a state and A arms, in any order.

    states (n, d), a constant 1 first; actions (n,), places of arms 0..A-1; rewards (n,); next_states (n, d),
    0 where terminal; next_eligible (n, A), the arms that could be chosen next, none where terminal; terminal
    (n,), whether the transition is the last of its trajectory.

    Raises InvalidInputError where the shapes differ, a number is not finite, an arm is none of these, nothing
    could follow a transition that is not terminal, or something does follow one that is."""

    states: Floats
    actions: Ints
    rewards: Floats
    next_states: Floats
    next_eligible: Bools
    terminal: Bools

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or self.next_eligible.ndim != 2:
            raise InvalidInputError(
                f"states must be (n, d) and next_eligible (n, A), got {self.states.shape} and "
                f"{self.next_eligible.shape}"
            )
        (rows, features), arms = self.states.shape, self.arms
        # adding 0 turns the other zero, -0.0, into this one: equal numbers need equal bytes
        for name, shape in (
            ("states", (rows, features)),
            ("rewards", (rows,)),
            ("next_states", (rows, features)),
        ):
            object.__setattr__(self, name, finite(name, getattr(self, name), shape) + 0.0)
        object.__setattr__(self, "actions", indices("actions", self.actions, (rows,), arms))
        _booleans("terminal", self.terminal, (rows,))
        _booleans("next_eligible", self.next_eligible, (rows, arms))
        stuck = int(np.count_nonzero(self.next_eligible.any(axis=1) == self.terminal))
        if stuck:
            raise InvalidInputError(
                f"next_eligible must be all false where a transition is terminal and have an arm elsewhere; "
                f"{stuck} of {rows} rows do not"
            )
        follow = int(np.count_nonzero(self.next_states.any(axis=1) & self.terminal))
        if follow:
            raise InvalidInputError(f"next_states must be 0 where terminal; {follow} of {rows} rows are not")

    @property
    def arms(self) -> int:
        """How many arms there are."""
        return int(self.next_eligible.shape[1])

    def take(self, rows: Ints | Bools) -> Self:
        """These transitions only, by place or by mask."""
        return type(self)(**{name: array[rows] for name, array in self.arrays().items()})


def _booleans(name: str, values: AnyArray, shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.bool_:
        raise InvalidInputError(
            f"{name} must be booleans of shape {shape}, got {values.dtype} {values.shape}"
        )
