"""The prediction alone."""

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.policies.in_order import in_order_of
from nightslate.core.policies.learner import RewardModel
from nightslate.kernels.controls.control import Choice, DecidedDay, Ranks, Shown
from nightslate.kernels.rewards import Costs
from nightslate.kernels.scoring import ScoredBy


@dataclass(frozen=True)
class PropensityOnly:
    """Arms in the order of what the champion's model expects of each, before costs: nothing is explored, and
    neither levers nor a floor have a say. Where rewards are of one kind of outcome, that is the order of
    predicted response rates; of a model of several values, there is no rate that it could tell apart."""

    name: ClassVar[str] = "propensity_only"
    reaches_everyone: ClassVar[bool] = False

    def on(self, day: DecidedDay) -> Ranks | None:
        """None where the model of the day predicts nothing."""
        model = day.champion.model
        return _InOrder(model, day.costs, day.slots) if isinstance(model.policy, RewardModel) else None


@dataclass(frozen=True)
class _InOrder:
    model: ScoredBy
    costs: Costs
    slots: int

    def choice(self, shown: Shown) -> Choice:
        """The arm of the highest prediction first."""
        expected = cast(Floats, self.model.expected_rewards(shown.rows))
        before_costs = expected + np.array([self.costs.get(arm, 0.0) for arm in self.model.arms])
        return Choice(in_order_of(before_costs, shown.eligible, self.slots))
