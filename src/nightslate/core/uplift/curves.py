"""What is estimated of units in the order of their priority. Each function takes sums by group of priorities
(R, K), the highest first, of R samples at once, and returns (R,) or (R, points).

TOC(q), the targeting operator characteristic, is the mean effect of the share q of units with the highest
priority less that of all. AUTOC is the area under it, QINI the area under q TOC(q): rank-weighted average
treatment effects (Yadlowsky, Fleming, Shah, Brunskill and Wager, 2025). Both are 0 if the order says nothing
of effects; AUTOC looks harder at the first. Units of a group are as good as in random order."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from nightslate.core.arrays import Floats


def mean_effect(units: Floats, effect: Floats) -> Floats:
    """(R,) of all."""
    return np.asarray(effect.sum(axis=1) / units.sum(axis=1))


def autoc(units: Floats, effect: Floats) -> Floats:
    """(R,) the mean over j = 1..n of TOC(j / n), as grf has it: the i-th unit counts H(n) - H(i - 1) - 1
    times, H(j) being 1 + 1/2 + ... + 1/j, and those of a group their mean."""
    last = np.cumsum(units, axis=1)
    first, n = last - units, last[:, -1:]
    harmonic_sums = _sum_of_harmonics(last) - _sum_of_harmonics(first)
    weight = _harmonic(n) - 1 - _ratio(harmonic_sums, units)
    return np.asarray((weight * effect).sum(axis=1) / n[:, 0])


def qini(units: Floats, effect: Floats) -> Floats:
    """(R,) the mean over j = 1..n of j / n TOC(j / n): the i-th unit counts (n - i + 1) / n less the mean of
    these, and those of a group their mean."""
    last = np.cumsum(units, axis=1)
    n = last[:, -1:]
    middle = last - (units - 1) / 2
    weight = (n - middle + 1) / n - (n + 1) / (2 * n)
    return np.asarray((weight * effect).sum(axis=1) / n[:, 0])


def toc(units: Floats, effect: Floats, shares: Floats) -> Floats:
    """(R, S) at each of the shares q (S,), over 0 and up to 1."""
    return np.asarray(_effect_of_first(units, effect, shares) / shares - mean_effect(units, effect)[:, None])


def effect_between(units: Floats, effect: Floats, shares: Floats) -> Floats:
    """(R, S) the mean effect of the units between the share before, at first 0, and each of these (S,), which
    ascend: for 0.1, 0.2 and so on, by deciles of priority."""
    reached = _effect_of_first(units, effect, shares)
    return np.asarray(np.diff(reached, axis=1, prepend=0.0) / np.diff(shares, prepend=0.0))


def gain_at_cost(units: Floats, effect: Floats, cost: Floats, spent: Floats) -> Floats:
    """(R, S) what a unit gains, before costs, once so much a unit (S,) is spent on helping in the order of
    priority: the cost curve of the rule that helps those first who are expected to gain most for what it
    costs (Qini curves with costs: Sun, Du and Wager, 2021; Sverdrup, Wu, Athey and Wager, 2024). Costs of
    groups are 0 or more. More than helping everyone costs can't be spent."""
    n = units.sum(axis=1, keepdims=True)
    return _at(_from_0(cost) / n, _from_0(effect) / n, spent)


def _effect_of_first(units: Floats, effect: Floats, shares: Floats) -> Floats:
    """(R, S) the sum of effects of the first units, over all units."""
    n = units.sum(axis=1, keepdims=True)
    return _at(_from_0(units) / n, _from_0(effect) / n, shares)


def _from_0(values: Floats) -> Floats:
    """(R, K + 1) running totals."""
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))


def _at(reached: Floats, gained: Floats, wanted: Floats) -> Floats:
    """(R, S) what is gained (R, K) once so much is reached: the last of groups that need no more for it."""
    rows = zip(reached, gained, strict=True)
    return np.array([np.interp(wanted, x, y) for x, y in rows]).reshape(len(reached), len(wanted))


def _harmonic(n: Floats) -> Floats:
    return np.asarray(digamma(n + 1) + np.euler_gamma)


def _sum_of_harmonics(n: Floats) -> Floats:
    """H(0) + ... + H(n - 1)."""
    return n * _harmonic(n) - n


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
