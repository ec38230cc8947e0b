"""What an off-policy estimator of single impressions looks at."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from nightslate.core.arrays import AnyArray, Floats, Ints, finite
from nightslate.core.errors import InvalidInputError

OPEN_BELOW = ("propensity", "marginal_propensity")
CLOSED = ("target_propensity", "target_marginal_propensity", "unsupported_mass")

ROUNDING = 1e-6
"""A probability in a file that is over 1 by no more than this is 1: a little more than float32 loses."""

LARGEST = 1e50
"""Of weights, rewards and expectations: squares of products of larger ones soon are no numbers."""


def effective_size(total: ArrayLike, squares: ArrayLike) -> Floats:
    """How many equally weighted units an estimate is worth (Kong, 1992), of the sums of their weights and of
    these squared: both of the same shape, which is returned. 0 where all weights are 0."""
    below = np.asarray(squares, dtype=np.float64)
    return np.divide(np.square(total), below, out=np.zeros_like(below), where=below > 0)


@dataclass(frozen=True, eq=False)
class Logged:
    """Float64 arrays of n logged units, and of one target policy; None stands for what nobody knows.

    Checks them all: raises InvalidInputError where a value is not finite, a shape differs, a probability is
    outside its range, or a value or weight is over LARGEST. Such a number is never read as anything."""

    reward: Floats
    propensity: Floats
    target_propensity: Floats

    unit: ClassVar[str] = "unit"
    units: ClassVar[str] = "units"
    choice: ClassVar[str] = "slot"
    """What a unit is called, and several, and what each of a unit's choices is."""

    of_units: ClassVar[frozenset[str]] = frozenset()
    """The fields that a unit has one of, where it has others by slot."""

    def __post_init__(self) -> None:
        shape = np.shape(self.propensity)
        for field in fields(self):
            given = getattr(self, field.name)
            if given is None:
                continue
            if field.name in OPEN_BELOW:
                _require_range(field.name, given, (given > 0) & (given <= 1), "(0, 1]")
            array = finite(field.name, given, self._shape(field.name, shape))
            object.__setattr__(self, field.name, array)
            _require_range(field.name, array, np.abs(array) <= LARGEST, f"[-{LARGEST:g}, {LARGEST:g}]")
            if field.name in CLOSED:
                _require_range(field.name, given, (given >= 0) & (given <= 1), "[0, 1]")
        with np.errstate(over="ignore"):
            heaviest = self.largest_weight
        if heaviest > LARGEST:
            raise InvalidInputError(
                f"the largest importance weight of {self.units}, {heaviest:.3g}, is over {LARGEST:g}: no sum "
                "can hold it, and what is left without it is biased"
            )

    def _shape(self, field: str, shape: tuple[int, ...]) -> tuple[int, ...]:  # noqa: ARG002
        return shape

    @property
    def fields(self) -> frozenset[str]:
        """The names of what is known."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) is not None)

    @property
    def n(self) -> int:
        """How many units there are."""
        return len(self.reward)

    @property
    def slots(self) -> int:
        """The most choices of a unit."""
        return 1

    @property
    def weight(self) -> Floats:
        """(n,) the importance weight of each unit."""
        raise AttributeError(f"{type(self).__name__} has no weight")

    @property
    def largest_weight(self) -> float:
        """The largest weight that any estimator gives a unit."""
        return float(self.weight.max(initial=0.0))

    def take(self, units: Ints | slice) -> Self:
        """These units, in this order."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        taken = object.__new__(type(self))  # all were checked when `self` was made
        for name, array in given.items():
            object.__setattr__(taken, name, None if array is None else array[units])
        return taken


@dataclass(frozen=True, eq=False)
class Sample(Logged):
    """n logged impressions and one target policy; every field is (n,).

    reward: what came of the impression.
    propensity: the logging policy's probability of the arm that it showed, in (0, 1].
    target_propensity: the target policy's probability of that same arm, in [0, 1].
    q_logged, v_target: the reward that a model expects of that arm in that context, and of the target policy
    in that context.
    q_logged_mrdr, v_target_mrdr: the same from a model that was fitted for MRDR.
    marginal_propensity, target_marginal_propensity: the two policies' probability of any arm with the
    features of the one that was shown.
    unsupported_mass: the probability that the target gives to arms which the logging policy could not
    show."""

    q_logged: Floats | None = None
    v_target: Floats | None = None
    q_logged_mrdr: Floats | None = None
    v_target_mrdr: Floats | None = None
    marginal_propensity: Floats | None = None
    target_marginal_propensity: Floats | None = None
    unsupported_mass: Floats | None = None

    unit: ClassVar[str] = "impression"
    units: ClassVar[str] = "impressions"

    def _shape(self, field: str, shape: tuple[int, ...]) -> tuple[int, ...]:  # noqa: ARG002
        return (shape[0] if shape else 0,)

    @property
    def weight(self) -> Floats:
        """(n,) target / propensity: how much more often the target would show this arm."""
        return np.asarray(self.target_propensity / self.propensity)

    @property
    def largest_weight(self) -> float:
        """Of arms, and of arms with the same features."""
        return max(super().largest_weight, largest_ratio(self))


def largest_ratio(sample: Logged) -> float:
    """The largest ratio of marginal propensities; 0 where they are not known."""
    target = getattr(sample, "target_marginal_propensity", None)
    logged = getattr(sample, "marginal_propensity", None)
    return 0.0 if target is None or logged is None else float((target / logged).max(initial=0.0))


def known(array: Floats | None) -> Floats:
    """The array, which an estimator's `needs` says is there."""
    if array is None:
        raise InvalidInputError("the sample lacks a column that this estimator needs")
    return array


def _require_range(name: str, values: AnyArray, inside: AnyArray, interval: str) -> None:
    bad = int(np.count_nonzero(~inside))
    if bad:
        raise InvalidInputError(f"{name} has {bad} of {values.size} values that are not in {interval}")
