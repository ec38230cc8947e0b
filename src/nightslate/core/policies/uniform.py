"""Every arm alike: the policy that gathers the cleanest data, and the baseline."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.statistics import ArmSums


@dataclass(frozen=True, eq=False)
class UniformPolicy(ArrayRecord):
    """1 / A for each of A arms."""

    arms: Ints

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A), all 1 / A."""
        return np.full((len(contexts), int(self.arms)), 1 / int(self.arms))

    def among(self, places: Ints) -> Self:
        """The uniform policy over so many arms."""
        return type(self)(np.asarray(len(places)))


@dataclass(frozen=True)
class Uniform:
    """Learns nothing; counts its rows only."""

    forgetting: ClassVar[float] = 1.0

    kind: ClassVar[str] = "uniform"
    state_type: ClassVar[type[ArmSums]] = ArmSums
    policy_type: ClassVar[type[UniformPolicy]] = UniformPolicy

    def initial(self, n_arms: int, n_features: int) -> ArmSums:  # noqa: ARG002
        """No rows yet; features are not looked at."""
        return ArmSums.zero(n_arms)

    def fit(self, state: ArmSums, arms: Arms, seed: int) -> UniformPolicy:  # noqa: ARG002
        """The uniform policy over the state's arms."""
        return UniformPolicy(np.asarray(arms.checked_against(state).keys.size))
