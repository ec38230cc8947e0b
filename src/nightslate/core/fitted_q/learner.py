"""Fitted Q iteration (Ernst, Geurts and Wehenkel, 2005)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.fitted_q.choosing import CHOICES, Choice, require_choice
from nightslate.core.fitted_q.iteration import Iteration, best_arm
from nightslate.core.fitted_q.members import to_arrays
from nightslate.core.fitted_q.policy import FittedQPolicy
from nightslate.core.fitted_q.rows import Backup, Rows
from nightslate.core.fitted_q.transitions import Transitions
from nightslate.core.policies.designs import Pairs
from nightslate.core.policies.learner import Arms


@dataclass(frozen=True)
class FittedQ(Iteration):
    """The arm after which most is expected: its own reward and all that follow, if what follows is chosen
    best.

    The settings of the regression are those of `Iteration`. choose, epsilon, temperature: how the policy
    turns action values into probabilities, see `choosing`."""

    choose: Choice = "greedy"
    epsilon: float = 0.1
    temperature: float = 1.0

    kind: ClassVar[str] = "fitted_q"
    policy_type: ClassVar[type[FittedQPolicy]] = FittedQPolicy
    forgetting: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self.choose, self.epsilon, self.temperature)

    def fit(self, transitions: Transitions, arms: Arms, seed: int) -> FittedQPolicy:
        """The policy for these transitions: a function of their content, the arms and the seed. Raises
        InvalidInputError for targets or parameters that the estimator can't be fitted with, and for
        transitions that are about another number of arms."""
        return self.fit_backup(
            transitions, transitions.next_eligible.astype(np.float64), best_arm, arms, seed
        )

    def fit_backup(
        self, transitions: Transitions, choices: Floats, backup: Backup, arms: Arms, seed: int
    ) -> FittedQPolicy:
        """The same for another backup. choices (n, A): what it has to know of choosing in the next states."""
        members, curve = self.run(Rows.of(transitions, choices, arms), backup, seed)
        models, sizes, constants = to_arrays(members)
        features = transitions.states.shape[1]
        pairs = Pairs.of(arms, features)
        return FittedQPolicy(
            models=models,
            sizes=sizes,
            constants=constants,
            columns=pairs.columns,
            crosses=pairs.crosses,
            features=np.asarray(features),
            curve=curve,
            choice=np.asarray(CHOICES.index(self.choose)),
            epsilon=np.asarray(self.epsilon),
            temperature=np.asarray(self.temperature),
        )
