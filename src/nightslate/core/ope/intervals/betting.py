"""Bets against a mean that is said to be v, and the lower bound that what they have won is sure of.

Whoever puts eta on each cluster has the capital prod(1 + eta (A_i - v m_i)), which is 1 in expectation at the
true v, so at its end, and at any moment before, it is over 1 / delta with probability delta at most (Ville,
1939; Waudby-Smith and Ramdas, 2024). What A_i brings to its logarithm is log(1 + eta A_i), however large A_i
is: no bound on weights is asked for. The rest is log(1 - z) with z = eta v m_i / (1 + eta A_i), over
-z - C z**2 where z is 1/2 at the most. So for each eta three sums over clusters, which merge, are enough to
know for every v a capital that is there at the least. It is divided evenly among a fixed grid of bets."""

import math

import numpy as np
from scipy.special import logsumexp

from nightslate.core.arrays import Floats

BETS = 2.0 ** np.arange(-16, 8)
"""eta, in units of one over the length of the range of a reward."""

_MOST = 0.5
_C = -(math.log1p(-_MOST) + _MOST) / _MOST**2

_AT_ONCE = 1 << 14


def sums_of_bets(amounts: Floats, units: Floats) -> Floats:
    """(BETS, 3): of clusters (c,) the sums of log(1 + eta A), m / (1 + eta A) and its square; NaN for bets
    that would lose more than half of their stake to an amount under 0."""
    sums = np.zeros((BETS.size, 3))
    for first in range(0, amounts.size, _AT_ONCE):
        a, m = amounts[first : first + _AT_ONCE], units[first : first + _AT_ONCE]
        held = 1 + BETS[:, None] * a
        held[held < 1 - _MOST] = np.nan
        logs, share = np.log(held), m / held
        sums += np.stack([logs.sum(axis=1), share.sum(axis=1), np.square(share).sum(axis=1)], axis=1)
    return sums


def bets_of_policies(sums: Floats, rewards: tuple[float, float], slots: int) -> Floats:
    """(2, P, P, BETS, 3), of what a policy gains and of what it loses, alone or to another: of clusters whose
    sums are (2P + 1, c), weighted rewards, weights and units. Of pairs only those whose second policy has no
    weight but 1, as the logging policy has: what others may have over the first leaves bets on the two apart
    the better ones."""
    rewarded, weights = np.split(sums[:-1], 2)
    units, (low, high) = sums[-1], rewards
    won = np.zeros((2, len(weights), len(weights), BETS.size, 3))
    for side, amounts in enumerate((rewarded - low * weights, high * weights - rewarded)):
        scaled = amounts / (high - low)
        for q, weight in enumerate(weights):
            won[side, q, q] = sums_of_bets(scaled[q], units)
            for p in range(len(weights)) if np.array_equal(weight, slots * units) else ():
                if p != q:
                    won[side, p, q] = sums_of_bets(scaled[p] - scaled[q], units)
    return won


def least_mean(sums: Floats, miss: float, least: float, most: float, floor: float, most_units: int) -> float:
    """The v, from `least` to `most`, up to which bets have won so much that a mean as low is believed with
    probability `miss` at the most. sums (BETS, 3); no unit has an amount under `floor` (0 or less), and no
    cluster more than `most_units` units."""
    known = np.isfinite(sums[:, 0])
    bets, (logs, share, squared) = BETS[known], sums[known].T

    def won(v: float) -> float:
        allowed = bets * most_units * (max(v, 0.0) - floor) <= _MOST
        capital = logs - v * bets * share - _C * (v * bets) ** 2 * squared
        return float(logsumexp(capital[allowed])) if allowed.any() else -np.inf

    needed = math.log(BETS.size / miss)
    if won(least) <= needed:
        return least
    if won(most) >= needed:
        return most
    low, high = least, most
    while high - low > 1e-12 * (most - least):
        middle = (low + high) / 2
        low, high = (middle, high) if won(middle) > needed else (low, middle)
    return low
