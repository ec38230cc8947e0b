"""From the terms of cohorts to a capital, and to bounds that hold at every look."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from nightslate.core.arrays import Floats, Ints, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence.bets import BETS
from nightslate.core.evidence.stakes import Stakes


def alpha_of(alpha: float, joined: int) -> float:
    """The part of `alpha` of the challenger that joins a reign as the `joined`-th, from 1: 6 alpha / (pi
    joined)^2. The parts of all who may ever join sum to alpha. It is promoted at a capital of 1 / part.

    Raises InvalidInputError for an alpha outside (0, 1) and counts under 1."""
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must be in (0, 1), got {alpha}")
    if joined < 1:
        raise InvalidInputError(f"challengers of a reign count from 1, got {joined}")
    return alpha * 6 / (math.pi * joined) ** 2


def log_capital(log_growths: Floats) -> float:
    """The logarithm of the capital after some cohorts, from their `log_growth` (cohorts, K): the mean over
    bets of the product over cohorts. 0 before the first one.

    The mean is taken last, as of bettors who keep a fraction each for ever: mixed within each cohort, the
    fractions would begin anew every night and the capital could hardly grow."""
    return _mixed(_total(log_growths))


def log_capitals(log_growths: Floats) -> Floats:
    """(cohorts,) the logarithm of the capital after each cohort; the last one is `log_capital`."""
    growths = finite("log_growths", log_growths, (len(log_growths), BETS.size)).cumsum(axis=0)
    return np.array([_mixed(growth) for growth in growths])


def lower_bound(stakes: Sequence[Stakes], units: Ints, log_growths: Floats, alpha: float) -> float | None:
    """What V_c - V_b is at least, in units of reward, of some cohorts with their stakes, counted units
    (cohorts,) and `log_growth` (cohorts, K); None where no unit was counted.

    It is missed at any look ever with probability `alpha` at most, where the difference is the mean over
    counted units of the challengers and champions of their days, which may all differ: as E[1 + f X] <=
    exp(f E[X]), the mean over bets f of exp(log_growth_f - f D), where D sums E[X_u] / scale, is a
    supermartingale that starts at 1. The bound exceeds the margin exactly where the capital exceeds 1 /
    alpha. Where stakes change between cohorts, a cohort's units weigh by 1 / (width of the range x scale)."""
    bound = _bound([each.margin for each in stakes], stakes, units, log_growths, alpha)
    return None if bound is None else max(bound, -max(each.span for each in stakes))


def value_lower_bound(
    stakes: Sequence[Stakes], units: Ints, log_growths: Floats, alpha: float
) -> float | None:
    """What V_c is at least, from terms without a champion; the rest as for `lower_bound`. It is the closer,
    the closer to V_c the margin, which is no more than a guess here: it must be made before the cohort."""
    bound = _bound([each.low + each.margin for each in stakes], stakes, units, log_growths, alpha)
    return None if bound is None else max(bound, min(each.low for each in stakes))


def _bound(
    nulls: Sequence[float], stakes: Sequence[Stakes], units: Ints, log_growths: Floats, alpha: float
) -> float | None:
    """The value v at which the mean over bets f of exp(log_growth_f - f sum over cohorts of units (v - null)
    / (span scale)) is 1 / alpha. It falls as v grows."""
    if not 0 < alpha < 1:
        raise InvalidInputError(f"alpha must be in (0, 1), got {alpha}")
    growth = _total(log_growths)
    weight = np.asarray(units, dtype=np.float64) / [each.span * each.scale for each in stakes]
    if not weight.sum() > 0:
        return None
    needed = -math.log(alpha)

    def missing(distance: float) -> float:
        return _mixed(growth - BETS * distance) - needed

    # one bet alone needs the distance (growth - needed) / f; the mixture is between the best alone with its
    # share of the capital, and the best with all of it
    least = float(((growth - needed - math.log(BETS.size)) / BETS).max())
    most = float(((growth - needed) / BETS).max())
    distance = brentq(missing, least - 1, most + 1, xtol=1e-12, rtol=1e-14)
    return float((weight @ np.asarray(nulls) + distance) / weight.sum())


def _total(log_growths: Floats) -> Floats:
    """(K,) sums over cohorts of (cohorts, K)."""
    growths = finite("log_growths", log_growths, (len(log_growths), BETS.size))
    return np.asarray(growths.sum(axis=0))


def _mixed(growth: Floats) -> float:
    """The logarithm of the mean over bets of exp(growth)."""
    peak = growth.max()
    return float(peak + np.log(np.exp(growth - peak).mean()))
