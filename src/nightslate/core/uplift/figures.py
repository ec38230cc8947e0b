"""What is reported of an uplift: its figures, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.uplift import curves
from nightslate.core.uplift.jackknife import Estimates, jackknife
from nightslate.core.uplift.ranked import Ranked

MEAN, AUTOC, QINI, DECILE, COST_CURVE = "mean", "autoc", "qini", "decile", "cost_curve"
FIGURES = (MEAN, AUTOC, QINI, DECILE, COST_CURVE)

_DECILES = np.arange(1, 11) / 10
_SPENT = np.arange(1, 21) / 20


@dataclass(frozen=True)
class Figure:
    """One of `FIGURES`, in units of reward a unit. `at`: of a decile of predicted gain the share of units
    where it ends, 0.1 being those of the highest; of the cost curve the share of what helping everyone costs;
    else 1. spent: of the cost curve, what is spent a unit. Spread and interval are None with fewer than two
    users and where nothing varies."""

    figure: str
    at: float
    value: float
    stderr: float | None
    lower: float | None
    upper: float | None
    spent: float | None = None


def figures_by_gain(ranked: Ranked, confidence: float = 0.95) -> list[Figure]:
    """Of units in the order of predicted gain: the mean effect of help, less what it costs, of all; AUTOC and
    QINI; the mean effect by deciles. None of no units."""

    def figures(units: Floats, effect: Floats, cost: Floats) -> Floats:
        net = effect - cost
        whole = [each(units, net)[:, None] for each in (curves.mean_effect, curves.autoc, curves.qini)]
        return np.hstack([*whole, curves.effect_between(units, net, _DECILES)])

    if not ranked.units.nnz:
        return []
    names = [MEAN, AUTOC, QINI, *([DECILE] * len(_DECILES))]
    at = [1.0, 1.0, 1.0, *_DECILES.tolist()]
    return list(_named(names, at, [None] * len(at), jackknife(ranked, figures, confidence)))


def cost_curve(ranked: Ranked, confidence: float = 0.95) -> list[Figure]:
    """Of units in the order of predicted gain by cost (`per_cost`), see `curves.gain_at_cost`: effects before
    costs. None where help costs nothing."""
    total = float(ranked.cost.sum())
    if total <= 0:
        return []
    spent = _SPENT * total / float(ranked.units.sum())

    def figures(units: Floats, effect: Floats, cost: Floats) -> Floats:
        return curves.gain_at_cost(units, effect, cost, spent)

    found = jackknife(ranked, figures, confidence)
    return list(_named([COST_CURVE] * len(spent), _SPENT.tolist(), spent.tolist(), found))


def _named(
    names: Sequence[str], at: Sequence[float], spent: Sequence[float | None], found: Estimates
) -> Iterator[Figure]:
    ends = zip(found.stderr, found.lower, found.upper, strict=True)
    columns = zip(names, at, spent, found.value, ends, strict=True)
    for name, place, cost, value, spread in columns:
        stderr, lower, upper = (float(each) if math.isfinite(each) else None for each in spread)
        yield Figure(name, place, float(value), stderr, lower, upper, cost)
