"""From the values of arms to the probabilities that they are chosen with."""

from typing import Literal, get_args

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.best import best_shares

Choice = Literal["greedy", "epsilon_greedy", "softmax"]
CHOICES: tuple[Choice, ...] = get_args(Choice)


def choosing(values: Floats, choose: Choice, epsilon: float = 0.0, temperature: float = 1.0) -> Floats:
    """(n, A) -> (n, A): the probability of each arm by its value, which sum to 1 in a row.

    greedy: the best arm; those that tie share evenly.
    epsilon_greedy: the best arm with 1 - epsilon, each other with epsilon / (A - 1), so that 1 - 1 / A is
    uniform; where arms tie, one of them is the best by lot.
    softmax: in proportion to exp(value / temperature), in units of the values.

    Raises InvalidInputError for another name, an epsilon outside [0, 1] or a temperature that is not > 0."""
    require_choice(choose, epsilon, temperature)
    if choose == "softmax":
        with np.errstate(over="ignore"):  # so far below the best that exp is 0 either way
            odds = np.exp((values - values.max(axis=1, keepdims=True)) / temperature)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))
    best, arms = best_shares(values), values.shape[1]
    if choose == "greedy" or arms == 1:
        return best
    other = epsilon / (arms - 1)
    return np.asarray(other + (1 - epsilon - other) * best)


def require_choice(choose: str, epsilon: float, temperature: float) -> None:
    """Raise InvalidInputError for settings that `choosing` can't do with."""
    if choose not in CHOICES:
        raise InvalidInputError(f"choose must be one of {', '.join(CHOICES)}; got {choose!r}")
    if not 0 <= epsilon <= 1:
        raise InvalidInputError(f"epsilon must be in [0, 1], got {epsilon}")
    if not (temperature > 0 and np.isfinite(temperature)):
        raise InvalidInputError(f"temperature must be finite and > 0, got {temperature}")
