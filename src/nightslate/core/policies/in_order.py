"""A ranking that is not drawn, as weights of Plackett-Luce: each arm is so much likelier than the next one
that it comes before it in all but a share of cases that float64 does not see."""

import numpy as np

from nightslate.core.arrays import Bools, Floats

_APART = 1e-15
"""The weight of an arm beside that of the one before it."""

MOST_SLOTS = 20
"""Weights of more arms than that in a row are no positive numbers any more."""


def in_order_of(scores: Floats, eligible: Bools, slots: int) -> Floats:
    """(n, A) weights by which the first `slots` (up to `MOST_SLOTS`) of the eligible arms come in the order
    of their scores (n, A), the highest first, and of equals the first by place."""
    order = np.argsort(np.where(eligible, -scores, np.inf), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), axis=1)
    return np.asarray(_APART ** np.minimum(rank, slots).astype(np.float64))
