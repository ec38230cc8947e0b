"""What a learner, its state and its policy are.

    state = learner.initial(n_arms, n_features)
    state = state.update(contexts, arms, rewards)       # once a batch; states of partitions merge
    policy = learner.fit(state, arm_keys, seed)
    weights = mix_floor(policy.weights(contexts), floor)

Arms are places 0..A-1 here; the caller keeps the list of ids. `arm_keys` (hashes of the ids) stand in for
them wherever an arm needs randomness of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Ints, Keys
from nightslate.core.errors import InvalidInputError


class State(Protocol):
    """Sums over rows of (context, arm, reward). A value: methods return new states."""

    @property
    def arms(self) -> int:
        """How many arms the state is about."""

    @property
    def rows(self) -> int:
        """How many rows it has seen."""

    def update(self, contexts: Floats, arms: Ints, rewards: Floats) -> Self:
        """This state and n more rows: contexts (n, d), arms (n,), rewards (n,)."""

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
        """(n, d) -> (n, A): the probability of each arm before the exploration floor; rows sum to 1."""

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

    def initial(self, n_arms: int, n_features: int) -> S:
        """The state of no rows."""

    def fit(self, state: S, arm_keys: Sequence[int], seed: int) -> Policy:
        """The policy for what was seen: a function of the state, the keys and the seed."""


def key_array(arm_keys: Sequence[int], state: State) -> Keys:
    """The keys as uint64. Raises InvalidInputError unless each arm of the state has one of its own."""
    keys = np.asarray(arm_keys, dtype=np.uint64)
    if keys.shape != (state.arms,) or np.unique(keys).size != keys.size:
        raise InvalidInputError(f"{state.arms} arms need {state.arms} distinct keys, got {len(arm_keys)}")
    return keys
