"""Users of an experiment whose probabilities follow what is known of each."""

from __future__ import annotations

import numpy as np

from nightslate.core.effects import Observed
from nightslate.core.hashing import deal

FOLDS, VARIANTS, CONTROL, TREATMENTS = 3, 3, 0, np.array([1, 2])


def effects_on(contexts: np.ndarray) -> np.ndarray:
    """(n, T, M) the truth: linear, and different by user."""
    groups = contexts[:, 1:4]
    benefit = np.stack([groups @ [0.4, -0.2, 0.1], groups @ [0.1, 0.1, -0.5]], axis=1)
    harm = np.stack([groups @ [0.0, 0.3, 0.1], groups @ [0.2, 0.0, 0.0]], axis=1)
    return np.stack([benefit, harm], axis=2)


def users(n: int, seed: int) -> Observed:
    """A third of them in each group, with a number of any size; one treatment is closed to some."""
    dice = np.random.default_rng(seed)
    group, number = dice.integers(0, 3, n), dice.normal(300, 40, n)
    contexts = np.column_stack([np.ones(n), np.eye(3)[group], number])
    wanted = dice.uniform(0.2, 1.0, (n, VARIANTS)) * np.where(group[:, None] == 1, [3.0, 1.0, 1.0], 1.0)
    wanted[dice.random(n) < 0.1, 2] = 0.0
    probabilities = wanted / wanted.sum(axis=1, keepdims=True)
    variant = (dice.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    true = np.concatenate([np.zeros((n, 1, 2)), effects_on(contexts)], axis=1)
    values = true[np.arange(n), variant] + (number[:, None] - 300) / 100 + dice.normal(0, 0.7, (n, 2))
    keys = dice.integers(0, 2**63, n).astype(np.uint64)
    return Observed(contexts, deal(keys, 5, FOLDS), variant, probabilities, values, keys)
