"""What an off-policy estimator of trajectories looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.sample import effective_size
from nightslate.core.ope.sequential_sample import SequentialSample

_OF_REWARDS = ("reward", "q_logged", "v_target")


@dataclass(frozen=True, eq=False)
class TrajectorySample(SequentialSample):
    """n logged trajectories of up to T steps and one target policy; see `SequentialSample`.

    reward, q_logged and v_target of step t are already times discount**(t - 1), which `of_rows` sees to:
    sums over steps are discounted returns. A trajectory that has ended keeps the weight of its last step."""

    unit: ClassVar[str] = "trajectory"
    units: ClassVar[str] = "trajectories"
    choice: ClassVar[str] = "step"

    @classmethod
    def of_rows(
        cls, trajectory: Ints, step: Ints, columns: Mapping[str, Floats], steps: int, discount: float = 1.0
    ) -> Self:
        """The sample of rows of one step each: trajectory (m,) is the place of the row's trajectory, 0 to
        n - 1, step (m,) counts from 1 to at most `steps`, and every column is (m,), not discounted: q_logged
        and v_target are what is expected from the step on, as if it were the first.

        Raises InvalidInputError unless each trajectory has its steps 1 to k once each, and for a discount
        outside (0, 1]."""
        require_discount(discount)
        worth = discount ** (step - 1)
        discounted = {name: worth * columns[name] for name in _OF_REWARDS if name in columns}
        return super().of_rows(trajectory, step, {**columns, **discounted}, steps)

    @property
    def ess_by_step(self) -> Floats:
        """(T,) for each t the `effective_size` of the weights of the first t steps."""
        weight = self.cumulative_weight
        largest = weight.max(axis=0, initial=0.0)
        share = np.divide(weight, largest, out=np.zeros_like(weight), where=largest > 0)
        return effective_size(share.sum(axis=0), np.square(share).sum(axis=0))


def require_discount(discount: float) -> None:
    """Raise InvalidInputError unless this is a discount: in (0, 1]."""
    if not 0 < discount <= 1:
        raise InvalidInputError(f"a discount must be in (0, 1], got {discount}")
