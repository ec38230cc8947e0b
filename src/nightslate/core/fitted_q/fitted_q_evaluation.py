"""Fitted Q evaluation: what a given policy is worth (Le, Voloshin and Yue, 2019, algorithm 3)."""

from dataclasses import replace

import numpy as np

from nightslate.core.arrays import Floats, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q.iteration import expected_arm
from nightslate.core.fitted_q.learner import FittedQ
from nightslate.core.fitted_q.policy import FittedQPolicy
from nightslate.core.fitted_q.transitions import Transitions
from nightslate.core.policies.learner import Arms


def evaluate_policy(
    transitions: Transitions, next_weights: Floats, q: FittedQ, arms: Arms, seed: int
) -> FittedQPolicy:
    """The Q of a policy, whose `action_values` are what is expected if an arm is chosen now and the policy
    chooses from then on: the iteration of `q`, which backs up the mean of Q over the policy's choice.

    next_weights (n, A): the policy's weights in the next states, of any scale; those of arms that are not
    eligible there, and all of terminal transitions, are left out. Nothing is maximised, so nothing is biased
    by it, and `q.double` is taken as false.

    Raises InvalidInputError for weights that are negative or all 0 among the eligible arms, and as
    `FittedQ.fit` does."""
    weights = finite("next_weights", next_weights, transitions.next_eligible.shape)
    weights = np.where(transitions.next_eligible, weights, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    bad = int(np.count_nonzero((weights < 0).any(axis=1) | ((total[:, 0] <= 0) & ~transitions.terminal)))
    if bad:
        raise InvalidInputError(
            f"next_weights must be >= 0 with one > 0 among the arms that are eligible next; {bad} of "
            f"{len(weights)} rows are not. A floor under the policy's weights gives each arm one"
        )
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return replace(q, double=False).fit_backup(transitions, shares, expected_arm, arms, seed)
