"""What a learner, its state and its policy are.

    state = learner.initial(n_arms, n_features)
    state = state.update(contexts, arms, rewards)       # once a batch; states of partitions merge
    policy = learner.fit(state, Arms(keys, features), seed)
    weights = mix_floor(policy.weights(contexts), floor)

In rows, arms are places 0..A-1; the caller keeps the list of ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.beside_arms import BesideArms


@dataclass(frozen=True, eq=False)
class Arms:
    """The arms that a policy chooses from, in the order of their places.

    keys (A,): hashes of the arms' ids, which stand in for them wherever an arm needs randomness of its own.
    features (A, k): what is known of each arm, a constant 1 first.
    crossed (d, k): which features of a context, a constant 1 first too, interact with which of an arm. Row 0
    and column 0 are all true: what a feature does by itself. None: all interact with all.
    beside: what of a context is looked at beside each arm, of which the d features are; None: all of it.

    Raises InvalidInputError unless the keys differ, the features are finite and begin with that constant, and
    no feature is without its main effect."""

    keys: Keys
    features: Floats
    crossed: Bools | None = None
    beside: BesideArms | None = None

    def __post_init__(self) -> None:
        distinct = np.unique(self.keys).size
        if self.keys.shape != (distinct,) or self.keys.dtype != np.uint64:
            raise InvalidInputError(
                f"arms need distinct keys, a list of uint64; got {distinct} distinct ones of "
                f"{self.keys.dtype} {self.keys.shape}"
            )
        finite("arm features", self.features, (distinct, self.features.shape[-1]))
        if self.features.shape[1] == 0 or not (self.features[:, 0] == 1).all():
            raise InvalidInputError("arm features must begin with a column of ones")
        if self.crossed is not None:
            self.interactions(len(self.crossed))
            if not (self.crossed[:1].all() and self.crossed[:, 0].all()):
                raise InvalidInputError("row 0 and column 0 of crossed must be true: they are main effects")

    @classmethod
    def plain(cls, keys: Iterable[int]) -> Self:
        """Arms of which nothing is known but that they are arms."""
        known = np.fromiter(keys, dtype=np.uint64)
        return cls(known, np.ones((known.size, 1)))

    def checked_against(self, state: "State") -> Self:
        """These arms, if the state is about as many. Raises InvalidInputError otherwise."""
        if self.keys.size != state.arms:
            raise InvalidInputError(f"a state of {state.arms} arms can't be fitted to {self.keys.size} arms")
        return self

    def spread(self, coefficients: Floats) -> Floats:
        """Coefficients (A, ..., d) of what is looked at beside each arm as those of whole contexts."""
        return coefficients if self.beside is None else self.beside.spread(coefficients)

    def interactions(self, n_features: int) -> Bools:
        """`crossed` (d, k) for contexts of so many features; all true where it is None. Raises
        InvalidInputError if it is about other contexts, or other features of arms."""
        shape = (n_features, self.features.shape[1])
        crossed = np.ones(shape, dtype=np.bool_) if self.crossed is None else self.crossed
        if crossed.shape != shape or crossed.dtype != np.bool_:
            raise InvalidInputError(
                f"crossed must be booleans of shape {shape}, got {crossed.dtype} {crossed.shape}"
            )
        return crossed


class State(Protocol):
    """Sums over rows of (context, arm, reward). A value: methods return new states."""

    @property
    def arms(self) -> int:
        """How many arms the state is about."""

    @property
    def rows(self) -> int:
        """How many rows it has seen, whatever their weights."""

    def update(self, contexts: Floats, arms: Ints, rewards: Floats, weights: Floats | None = None) -> Self:
        """This state and n more rows: contexts (n, d), arms (n,), rewards (n,). A row of weight w >= 0 (n,)
        teaches as much as w rows; None means 1 each."""

    def merge(self, other: Self) -> Self:
        """The state of the rows of both."""

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""


@runtime_checkable
class Policy(Protocol):
    """A fitted learner."""

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the probability of each arm before the exploration floor; rows sum to 1.

        A row's are the same to the last bit whatever contexts there are beside its own (on one kind of CPU,
        with one BLAS thread): what is asked for one user alone is what a night publishes."""

    def among(self, places: Ints) -> Self:
        """The policy that has seen the same and chooses among some of its arms, by their places (m,)."""

    def arrays(self) -> dict[str, AnyArray]:
        """All of the policy: what a model file holds."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The policy that `arrays()` described."""


@runtime_checkable
class RewardModel(Protocol):
    """A policy that can also say what it expects, which is what doubly robust estimation asks of it."""

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the mean reward of each arm."""


S = TypeVar("S", bound=State)


class Learner(Protocol[S]):
    """A frozen dataclass of settings: everything that is chosen before data."""

    kind: ClassVar[str]
    state_type: ClassVar[type[Any]]
    policy_type: ClassVar[type[Any]]

    @property
    def forgetting(self) -> float:
        """The weight of a row is this to the power of its age in days: 1 forgets nothing. The caller turns
        it into the weights of `State.update`."""

    def initial(self, n_arms: int, n_features: int) -> S:
        """The state of no rows."""

    def fit(self, state: S, arms: Arms, seed: int) -> Policy:
        """The policy for what was seen: a function of the state, the arms and the seed."""


def require_forgetting(forgetting: float) -> None:
    """Raise InvalidInputError unless 0 < forgetting <= 1."""
    if not 0 < forgetting <= 1:
        raise InvalidInputError(f"forgetting must be > 0 and at most 1, got {forgetting}")
