"""Which features a Q function listens to, by permutation (Breiman, 2001)."""

from collections.abc import Mapping

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.fitted_q.policy import FittedQPolicy
from nightslate.core.hashing import mix
from nightslate.core.hashing import seed as seed_of
from nightslate.core.policies.row_sample import row_keys


def importance(
    policy: FittedQPolicy, states: Floats, slices: Mapping[str, slice], seed: int
) -> dict[str, float]:
    """By feature, how far Q moves when the feature's columns are those of another state: the mean absolute
    change over the states (n, d) and all arms, in standard deviations of Q over the same. 0: Q does not look
    at it; 0 for all where Q is the same everywhere, or there are no states.

    slices: the columns of each feature, which are permuted together. States are taken in the order of their
    content, so the caller's has no say."""
    states = states[np.argsort(row_keys(states + 0.0), kind="stable")]
    values = policy.action_values(states)
    spread = float(values.std()) if values.size else 0.0
    moved = {}
    for name, columns in slices.items():
        lots = mix(np.arange(len(states), dtype=np.uint64), mix(seed, seed_of(name)))
        permuted = states.copy()
        permuted[:, columns] = states[np.argsort(lots), columns]
        change = np.abs(policy.action_values(permuted) - values)
        moved[name] = float(change.mean()) / spread if spread else 0.0
    return moved
