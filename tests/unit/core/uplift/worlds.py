"""Users who gain different amounts by help, with known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats, Keys
from nightslate.core.uplift import effects

ROWS_OF_USER = 3


@dataclass(frozen=True)
class Drawn:
    """n units (n,): predicted gain, score of the effect, cost of help, and the key of the user."""

    gain: Floats
    effect: Floats
    cost: Floats
    users: Keys


def drawn(users: int, generator: np.random.Generator, useful: float = 1.0) -> Drawn:
    """Of each user a few decisions. Help gains `useful` x on average, x uniform in [0, 1], and is predicted
    to gain x; what users earn has a part of their own, which all their decisions share. Logs help at random
    by propensities that follow x; no reward model."""
    x = np.repeat(generator.uniform(size=users), ROWS_OF_USER)
    own = np.repeat(generator.normal(size=users), ROWS_OF_USER)
    helped = generator.uniform(size=x.size) < 0.3 + 0.4 * x
    reward = own + useful * x * helped + generator.normal(size=x.size)
    scores = effects(
        shares=np.tile([0.0, 1.0], (x.size, 1)),
        shown=helped.astype(np.int64),
        propensity=np.where(helped, 0.3 + 0.4 * x, 0.7 - 0.4 * x),
        reward=reward,
        expected=np.zeros((x.size, 2)),
        baseline=0,
    )
    keys = np.repeat(generator.integers(2**63, size=users).astype(np.uint64), ROWS_OF_USER)
    return Drawn(x, scores, 0.5 + x**2, keys)


AUTOC, QINI = 1 / 4, 1 / 12
"""Where effects are x: of TOC(q) = (1 - q) / 2 the integral, and that of q TOC(q)."""


def decile_effects() -> Floats:
    """The mean of x in each tenth, the highest first."""
    return 0.95 - np.arange(10) / 10


def gain_at(shares: Floats) -> Floats:
    """What is gained once such shares of the cost of all are spent on those of the highest x / (0.5 + x**2):
    by a grid so fine that its error is beyond what a simulation sees."""
    x = (np.arange(10**6) + 0.5) / 10**6
    order = np.argsort(-x / (0.5 + x**2))
    spent, gained = np.cumsum(0.5 + x[order] ** 2), np.cumsum(x[order])
    return np.interp(shares, spent / spent[-1], gained / x.size)
