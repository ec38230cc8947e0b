"""A fitted Q function, and the policy that chooses by it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import BLOCK, Floats, Ints, filled_up, finite
from nightslate.core.fitted_q.choosing import CHOICES, choosing
from nightslate.core.fitted_q.members import Member, from_arrays, mean_of
from nightslate.core.policies.by_arm import ByArm
from nightslate.core.policies.designs import Pairs


@dataclass(frozen=True, eq=False)
class FittedQPolicy(ByArm):
    """Fitted regressors whose mean is Q: the bytes of all of them in a row, the sizes of each (M,), and what
    those without bytes predict (M,). What they know each arm by (A, f), which features of a state are
    multiplied by which of these (2, p), and the number of features of a state ().

    curve (iterations,): how far the targets moved from one iteration to the next, see `Iteration`.
    choice (): the place in CHOICES of how to choose, with epsilon () and temperature ()."""

    models: NDArray[np.uint8]
    sizes: Ints
    constants: Floats
    columns: Floats
    crosses: Ints
    features: Ints
    curve: Floats
    choice: Ints
    epsilon: Floats
    temperature: Floats

    by_arm: ClassVar[tuple[str, ...]] = ("columns",)

    def action_values(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the discounted sum of rewards from here on that is expected of each arm."""
        return self._predicted(mean_of(self.members), contexts)

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the action values, as a `RewardModel` of all rewards from here on."""
        return self.action_values(contexts)

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): the probability of each arm, see `choosing`."""
        predict = mean_of(self.members)
        return self.chosen(
            self._predicted(lambda design: predict(filled_up(design, BLOCK))[: len(design)], contexts)
        )

    def chosen(self, action_values: Floats) -> Floats:
        """(n, A) -> (n, A): the probability of each arm by its action value."""
        return choosing(
            action_values,
            CHOICES[int(self.choice)],
            float(self.epsilon),
            float(self.temperature),
        )

    def _predicted(self, predict: Callable[[Floats], Floats], contexts: Floats) -> Floats:
        contexts = finite("contexts", contexts, (len(contexts), int(self.features)))
        return Pairs(self.columns, self.crosses).predicted(predict, contexts)

    @cached_property
    def members(self) -> list[Member]:
        """The fitted regressors. Raises InvalidInputError if the bytes hold anything but ours."""
        return from_arrays(self.models, self.sizes, self.constants)
