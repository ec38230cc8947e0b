"""What delays differ in, and whether they depend on what a credit is worth, which `ipcw` takes for granted
they do not.

Scores compare, at each step in turn, what came just in it with what could have, so they do not depend on how
long anybody was watched: of an arm against all (the log-rank test, Mantel, 1966), and of amounts or of losses
within arms (the score test of Cox, 1972, with arms as strata). What one user earned with one arm is taken for
one credit (Kish, 1965), so that where users earn more than once variances are rather too large.

A difference is one that is no chance, at LEVEL over all that a night compares (Bonferroni), and that matters:
by the age at which half of a kind's credit has come, the shares that have come differ by MATTERS or more.
Differences that cancel out over a window are not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from nightslate.core.arrays import Floats, Ints
from nightslate.core.maturity import OWN_CURVES, STEPS, DelaySums, OfKind, steps_until
from nightslate.core.product_limit import Truncated

LEVEL = 0.01
MATTERS = 0.05
LEAST_CREDITS = 30.0
"""An arm with fewer is not compared: its score is far from normal."""


@dataclass(frozen=True)
class Part:
    """The delays of a part of a kind's credits.

    name: `all`; `arm`; `number`, every credit alike whatever it is worth; `gains` and `losses`. credits: how
    many, those of a user with an arm taken for one. median: how long it takes to see half of them, in
    microseconds; seen: the share that has come once half of the kind's has; None where nobody knows. later:
    by how many standard errors these come later than what they are compared with, an arm than all arms,
    losses than gains and gains than losses, `number` than the same by its worth; None where nothing is
    compared. differs: whether they are not as `ipcw` without arms takes for granted."""

    kind: int
    name: str
    arm: int | None
    credits: float
    median: float | None
    seen: float | None
    later: float | None = None
    differs: bool = False


def parts(sums: DelaySums, windows: Ints) -> tuple[Part, ...]:
    """What the sums say of each kind, with windows (K,) in microseconds, and of its parts."""
    found = [list(_parts(kind, int(window), sums.of_kind(kind))) for kind, window in enumerate(windows)]
    compared = sum(part.later is not None for of_kind in found for part in of_kind)
    return tuple(
        replace(part, differs=_no_chance(part, compared) and _matters(part, of_kind))
        for of_kind in found
        for part in of_kind
    )


def later_than_all(groups: Truncated, of_users: Floats) -> Floats:
    """(groups,) by how many standard errors the credit of each comes later than that of all; 0 for a group
    that is all there is. of_users (groups,): over users, the square of what each earned."""
    of_all, at_risk, total = groups.pooled, groups.at_risk, groups.came.sum(axis=1)
    share = _ratio(at_risk, of_all.at_risk)
    size = _ratio(of_users, total)[:, None]
    size_of_others = _ratio(of_users.sum() - of_users, total.sum() - total)[:, None]
    # What varies is the group's own credit and, less its share, that of the others.
    each = share * size_of_others + (1 - share) * size
    variance = of_all.hazard * (1 - of_all.hazard) * at_risk * (1 - share) * each
    excess = groups.came - at_risk * of_all.hazard
    return _ratio(excess[:, 1:].sum(axis=1), np.sqrt(variance[:, 1:].sum(axis=1)))


def larger_later(credits_: Truncated, sizes: Truncated, squares: Truncated, clumped: float) -> float | None:
    """By how many standard errors larger credits come later than smaller ones of their group; None where all
    are of a size. Of `credits_` (groups, steps): the sums of their sizes and the squares of these. clumped:
    how many credits are as one."""
    came, at_risk = credits_.came[:, 1:], credits_.at_risk[:, 1:]
    mean, mean_square = (_ratio(sums.at_risk[:, 1:], at_risk) for sums in (sizes, squares))
    spread = np.maximum(mean_square - mean**2, 0.0)
    spread[spread < 1e-9 * mean_square] = 0.0  # what rounding leaves of equal sizes
    variance = float((came * spread * _ratio(at_risk - came, np.maximum(at_risk - 1, 1.0))).sum())
    if variance <= 0:
        return None
    excess = float((sizes.came[:, 1:] - came * mean)[spread > 0].sum())
    return excess / math.sqrt(variance * max(clumped, 1.0))


def _parts(kind: int, window: int, of_kind: OfKind) -> Iterator[Part]:
    pooled, n = of_kind.amounts.pooled, _ratio(of_kind.total**2, of_kind.of_users)
    half = steps_until(pooled.within, 0.5)

    def part(name: str, n: float, within: Floats, later: float | None = None, arm: int | None = None) -> Part:
        known = not np.isnan(within[0])
        median = float(steps_until(within, 0.5) * (window / STEPS)) if known else None
        return Part(kind, name, arm, float(n), median, float(within[half]) if known else None, later)

    yield part("all", n.sum(), pooled.within)
    if not pooled.watched[-1] > 0:
        return  # nobody knows, so no young impression counts
    if len(n) > 1:
        later, shares = later_than_all(of_kind.amounts, of_kind.of_users), of_kind.shares
        for arm in np.flatnonzero((of_kind.group >= 0) & (of_kind.group < OWN_CURVES)):
            own = of_kind.group[arm]
            score = float(later[own]) if n[own] >= LEAST_CREDITS else None
            yield part("arm", n[own], shares[own], score, int(arm))
    clumped = float(of_kind.of_users.sum() / of_kind.squares.came.sum())
    by_worth = larger_later(of_kind.credits, of_kind.amounts, of_kind.squares, clumped)
    if by_worth is not None:
        yield part("number", n.sum(), of_kind.credits.pooled.within, -by_worth)
    by_sign = larger_later(of_kind.credits, of_kind.losses, of_kind.losses, clumped)
    if by_sign is not None:
        losses = of_kind.losses.pooled
        gains = Truncated(
            *(all_ - lost for all_, lost in zip(_both(of_kind.credits.pooled), _both(losses), strict=True))
        )
        yield part("gains", gains.came.sum() / clumped, gains.within, -by_sign)
        yield part("losses", losses.came.sum() / clumped, losses.within, by_sign)


def _no_chance(part: Part, compared: int) -> bool:
    if part.later is None or (part.name == "number" and part.later > 0):
        # Credits that come later and are worth less are what a decay of worth makes: nothing is amiss.
        return False
    return bool(2 * ndtr(-abs(part.later)) * compared < LEVEL)


def _matters(part: Part, of_kind: list[Part]) -> bool:
    against = {"losses": "gains", "gains": "losses"}.get(part.name, "all")
    beside = next(other.seen for other in of_kind if other.name == against)
    return part.seen is None or beside is None or abs(part.seen - beside) >= MATTERS


def _both(sums: Truncated) -> tuple[Floats, Floats]:
    return sums.came, sums.watched


def _ratio(above: Floats, below: Floats) -> Floats:
    """Above / below, and 0 where there is nothing below."""
    return np.divide(
        above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0
    )
