"""Fitted regressors whose mean is a Q function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Floats, Ints
from nightslate.core.policies.sklearn_models import fitted, from_array, to_array


class Member(Protocol):
    """What can predict."""

    def predict(self, design: Floats) -> Floats:
        """(m, f) -> (m,)."""


@dataclass(frozen=True)
class Constant:
    """Predicts the same for everything."""

    value: float

    def predict(self, design: Floats) -> Floats:
        """(m, f) -> (m,)."""
        return np.full(len(design), self.value)


NOTHING = Constant(0.0)


def fit_member(regressor: Any, design: Floats, target: Floats, weights: Floats | None) -> Member:
    """The regressor fitted to designs (n, f), targets (n,) and weights (n,); where all targets are the same,
    that constant, and 0 where there are none."""
    if not target.size:
        return NOTHING
    if (target == target[0]).all():
        return Constant(float(target[0]))
    member: Member = fitted(regressor, design, target, weights)
    return member


def mean_of(members: Sequence[Member]) -> Callable[[Floats], Floats]:
    """Predicts the mean of what they predict."""
    return lambda design: np.asarray(sum(member.predict(design) for member in members) / len(members))


def to_arrays(members: Sequence[Member]) -> tuple[NDArray[np.uint8], Ints, Floats]:
    """The bytes of all models in a row, how many are of which member (0 of a constant), and the constants (0
    of models)."""
    models = [
        np.zeros(0, np.uint8) if isinstance(member, Constant) else to_array(member) for member in members
    ]
    constants = [member.value if isinstance(member, Constant) else 0.0 for member in members]
    sizes = np.array([model.size for model in models], dtype=np.int64)
    return np.concatenate(models), sizes, np.array(constants)


def from_arrays(models: NDArray[np.uint8], sizes: Ints, constants: Floats) -> list[Member]:
    """The members that `to_arrays` described. Raises InvalidInputError if bytes hold anything but a model of
    ours."""
    parts = np.split(models, np.cumsum(sizes)[:-1])
    return [
        from_array(part) if part.size else Constant(float(constant))
        for part, constant in zip(parts, constants, strict=True)
    ]
