"""A rule that somebody wrote down: whom which arms are for."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.core.arrays import Bools, Floats
from nightslate.core.policies.by_arm import ByArm
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.statistics import ArmSums


@dataclass(frozen=True, eq=False)
class DeclaredRulePolicy(ByArm):
    """The first line that holds and has an arm among those to choose from: its arms alike; all arms alike
    where there is no such line. chosen (A, L): which arms each line is about."""

    chosen: Bools

    by_arm: ClassVar[tuple[str, ...]] = ("chosen",)

    def weights(self, contexts: Floats) -> Floats:
        """(n, L) -> (n, A). contexts: 1 where a line holds, 0 where it does not."""
        applies = (contexts > 0) & self.chosen.any(axis=0)
        arms_of = np.vstack([self.chosen.T, np.ones(len(self.chosen), dtype=np.bool_)])
        line = np.where(applies.any(axis=1), applies.argmax(axis=1), len(arms_of) - 1)
        return np.asarray(arms_of / np.maximum(1, arms_of.sum(axis=1, keepdims=True)))[line]


@dataclass(frozen=True)
class DeclaredRule:
    """Learns nothing; counts its rows only. lines: of each the places of its arms."""

    lines: tuple[tuple[int, ...], ...]

    forgetting: ClassVar[float] = 1.0

    kind: ClassVar[str] = "rule"
    state_type: ClassVar[type[ArmSums]] = ArmSums
    policy_type: ClassVar[type[DeclaredRulePolicy]] = DeclaredRulePolicy

    def initial(self, n_arms: int, n_features: int) -> ArmSums:  # noqa: ARG002
        """No rows yet; features are not looked at."""
        return ArmSums.zero(n_arms)

    def fit(self, state: ArmSums, arms: Arms, seed: int) -> DeclaredRulePolicy:  # noqa: ARG002
        """The rule over the state's arms."""
        return self.over(arms.checked_against(state).keys.size)

    def over(self, n_arms: int) -> DeclaredRulePolicy:
        """The rule over so many arms, whatever was seen."""
        chosen = np.zeros((n_arms, len(self.lines)), dtype=np.bool_)
        for line, places in enumerate(self.lines):
            chosen[list(places), line] = True
        return DeclaredRulePolicy(chosen)
