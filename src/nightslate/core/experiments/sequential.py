"""Intervals that hold at every look: asymptotic confidence sequences, and the e-values that they belong to.

From a mixture of normal alternatives (Robbins, 1970) over n users whose mean difference has standard error s:

    log e = (z**2 / 2) n r / (n r + 1) - log(n r + 1) / 2,    z = difference / s,

and the differences of which it stays under 1 / alpha are value +/- s sqrt((n r + 1) / (n r) (2 log(1 / alpha)
+ log(n r + 1))) (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024, theorem 2.2). r is the variance of
the mixture, in units of a user's variance: it says at which n the interval is as short as it can be.
Asymptotic: s has to be known well when the looks begin, so that there is no interval before `LEAST`
users of each variant, of whom `LEAST_EFFECTIVE` make the metric."""

from __future__ import annotations

import math

LEAST = 100
"""Users of each variant from which on there is an interval."""

LEAST_EFFECTIVE = 50
"""How many of them have to make the metric, see `Moments.effective`: of few buyers nobody knows how much
buyers differ, and an interval that begins too early misses more often than it says."""

TUNED_AT = 10_000
"""Users of both variants for which an interval of 95 % is as short as it can be; of a hundred times as many
it is 1.2 times as long as if it had been tuned for those, so this need not be known well."""

_ODDS = 2 * math.log(1 / 0.05)
_SPREAD = (_ODDS + math.log1p(_ODDS)) / TUNED_AT


def log_e_value(z: float, n: int) -> float:
    """That of z, a difference in its standard errors, of n users in all."""
    ratio = n * _SPREAD
    return z**2 / 2 * ratio / (ratio + 1) - math.log1p(ratio) / 2


def reach(n: int, alpha: float) -> float:
    """By how many standard errors the interval reaches to each side, of n users in all."""
    ratio = n * _SPREAD
    return math.sqrt((ratio + 1) / ratio * (2 * math.log(1 / alpha) + math.log1p(ratio)))
