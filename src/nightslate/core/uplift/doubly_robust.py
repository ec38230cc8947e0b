"""What a policy's help does to each unit, against doing nothing, from logs whose propensities are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints


def help_shares(weights: NDArray[np.floating], eligible: Bools, baseline: int) -> Floats:
    """(n, A) how a policy with these weights (n, A) chooses, were it to help: its probability of each
    eligible arm but the one at the place `baseline`, of which it is 0. Rows are 0 where no other arm is
    eligible."""
    left = np.where(eligible, weights, 0.0).astype(np.float64, copy=False)
    left[:, baseline] = 0.0
    total = left.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(left, total, out=np.zeros_like(left), where=total > 0))


def effects(
    shares: Floats,
    shown: Ints,
    propensity: Floats,
    reward: Floats,
    expected: Floats,
    baseline: int,
) -> Floats:
    """(n,) doubly robust scores of the effect of a policy's help (`help_shares`, pi_h) against the arm 0 at
    the place `baseline`, for units of which x is known, arm a was shown with propensity e and earned r
    (augmented inverse propensity weighting: Robins, Rotnitzky and Zhao, 1994):

        sum_b pi_h(b|x) mu_b(x) - mu_0(x)
          + 1{a is not 0} pi_h(a|x) / e (r - mu_a(x)) - 1{a is 0} / e (r - mu_0(x))

    shares (n, A); shown (n,): places of arms, -1 of one that is gone; propensity, reward (n,); expected
    (n, A): mu, of a model that was not fitted on these units. The mean of scores over units of equal x is the
    effect if propensities or mu are right."""
    there = np.flatnonzero(shown >= 0)
    found: Floats = (shares * expected).sum(axis=1) - expected[:, baseline]
    arm = shown[there]
    directed = np.where(arm == baseline, -1.0, shares[there, arm])
    found[there] += directed / propensity[there] * (reward[there] - expected[there, arm])
    return found
