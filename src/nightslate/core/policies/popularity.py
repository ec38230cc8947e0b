"""Show what pays, for everyone alike."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.by_arm import ByArm
from nightslate.core.policies.learner import Arms, require_forgetting
from nightslate.core.policies.statistics import ArmSums


@dataclass(frozen=True, eq=False)
class PopularityPolicy(ByArm):
    """Weights proportional to each arm's expected reward (A,).

    Proportions mean nothing below zero: where an arm's expectation is negative, all are taken above the
    lowest one, which then has only the exploration floor. Where nothing pays, every arm has the same
    weight."""

    expected: Floats

    by_arm: ClassVar[tuple[str, ...]] = ("expected",)

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A), the same row for every context."""
        above = self.expected - min(0.0, float(self.expected.min()))
        total = above.sum()
        row = above / total if total > 0 else np.full(above.size, 1 / above.size)
        return np.tile(row, (len(contexts), 1))

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A), the same row for every context."""
        return np.tile(self.expected, (len(contexts), 1))


@dataclass(frozen=True)
class Popularity:
    """The mean reward of each arm, shrunk to the mean of all rows as if by `prior_strength` rows of it.

    An arm that nobody has seen has the pooled mean; so has every arm before the first row, with a mean of
    0."""

    prior_strength: float = 100.0
    forgetting: float = 1.0

    kind: ClassVar[str] = "popularity"
    state_type: ClassVar[type[ArmSums]] = ArmSums
    policy_type: ClassVar[type[PopularityPolicy]] = PopularityPolicy

    def __post_init__(self) -> None:
        if not 0 < self.prior_strength < float("inf"):
            raise InvalidInputError(f"prior_strength must be a number of rows > 0, got {self.prior_strength}")
        require_forgetting(self.forgetting)

    def initial(self, n_arms: int, n_features: int) -> ArmSums:  # noqa: ARG002
        """No rows yet; features are not looked at."""
        return ArmSums.zero(n_arms)

    def fit(self, state: ArmSums, arms: Arms, seed: int) -> PopularityPolicy:  # noqa: ARG002
        """The posterior means."""
        arms.checked_against(state)
        weight = state.weight.sum()
        pooled = state.reward.sum() / weight if weight > 0 else 0.0
        return PopularityPolicy(
            (state.reward + self.prior_strength * pooled) / (state.weight + self.prior_strength)
        )
