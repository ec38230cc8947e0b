"""Whether one unit makes an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Keys
from nightslate.core.estimators import ESTIMATORS
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.estimators.sample import Logged
from nightslate.core.estimators.statistic import ratios


@dataclass(frozen=True)
class Influence:
    """The place of a unit, how far it moves an estimate, and the standard error that all others leave."""

    unit: int
    moves: float
    others: float


def made_by_one(sample: Logged, cluster: Keys, estimate: Estimate) -> Influence | None:
    """The unit that moves an estimate of the sample by more than the standard error of all others; None where
    none does, and where there is no standard error. cluster (n,): of each unit.

    To first order: the influence of a unit is its numerator less the ratio times its denominator, over the
    sum of these, and the square of the standard error is the sum over clusters of their squares, of all units
    but that one and from where they put the value."""
    if not estimate.stderr:
        return None
    tuning = math.inf if estimate.tuning is None else estimate.tuning
    moves = np.zeros(sample.n)
    for numerator, denominator in ESTIMATORS[estimate.estimator].terms(sample, tuning):
        total = denominator.sum()
        moves += (numerator - ratios(numerator.sum(), total) * denominator) / total
    unit = int(np.abs(moves).argmax())
    rest = moves.copy()
    rest[unit] = 0.0
    _, of_cluster = np.unique(cluster, return_inverse=True)
    squares = float(np.square(np.bincount(of_cluster, weights=rest)).sum())
    others = math.sqrt(max(0.0, squares - float(moves[unit]) ** 2 / (estimate.clusters - 1)))
    return Influence(unit, float(moves[unit]), others) if abs(moves[unit]) > others else None
