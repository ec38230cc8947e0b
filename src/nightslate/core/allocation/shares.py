"""The shares of an experiment's variants for each user: about those declared, by what the context says of the
user, within limits.

A user's score of a treatment moves its share off the baseline by

    clip(scale * (score - risk_tolerance), -range, range),

kept at the floor or above; the control has the rest. Where that would leave it less than the floor, what
falls falls in full, and what rises is scaled down by one factor for all treatments,

    (baseline of the control - floor + what falls) / what rises,

so that all shares are in [floor, 1 - floor], and nobody at risk under one treatment stays in it because
another one looks good. Every treatment stays between its baseline and where its score wants it. A score
that is missing, and one at exactly the tolerance, moves nothing. A treatment with baseline 0 is out: its
share is exactly 0 for everybody.

All shares (n, k) of n users and k variants lie by columns in memory (Fortran's order)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints, row_chunks
from nightslate.core.errors import InvalidInputError

EXACT = 1e-12
"""By how much shares may sum to more or less than 1."""

WORKING_ARRAYS = 8
"""Of a chunk's shares: how many such arrays are at work at a time."""


@dataclass(frozen=True, eq=False)
class Limits:
    """Between what the shares of an experiment may move.

    baseline (k,): the shares of the variants tonight, 0 of one that is out; control: the place of the one
    that has what treatments leave; range: by how much a score moves a treatment's share at most;
    risk_tolerance: the score that moves nothing; scale: by how much a score that is one above it moves a
    share; floor: the least share of every variant that is not out.

    Raises InvalidInputError for baselines that are no shares, that lack the control or lie below the floor,
    and for numbers outside their ranges."""

    baseline: Floats
    control: int
    range: float
    risk_tolerance: float
    scale: float
    floor: float

    def __post_init__(self) -> None:
        baseline = np.asarray(self.baseline)
        if baseline.ndim != 1 or not np.isfinite(baseline).all() or abs(baseline.sum() - 1) > EXACT:
            raise InvalidInputError(f"baseline must be the shares of variants, of sum 1, got {baseline}")
        if not 0 <= self.control < len(baseline) or baseline[self.control] <= 0:
            raise InvalidInputError(
                f"the control must be one of {len(baseline)} variants and not be out, got {self.control} of"
                f" {baseline}: an experiment without a control is over"
            )
        if not self.floor > 0 or ((baseline != 0) & (baseline < self.floor)).any():
            raise InvalidInputError(
                f"the floor must be in (0, the least baseline of a variant that is in], got {self.floor} for"
                f" {baseline}; stop a variant by baseline 0"
            )
        if not 0 <= self.range <= 1 or not 0 <= self.scale < np.inf or not np.isfinite(self.risk_tolerance):
            raise InvalidInputError(
                f"range must be in [0, 1], scale >= 0 and risk_tolerance finite, got {self.range},"
                f" {self.scale} and {self.risk_tolerance}"
            )

    @property
    def treatments(self) -> Ints:
        """The places of those that are in."""
        return np.flatnonzero((self.baseline > 0) & (np.arange(len(self.baseline)) != self.control))


def contextual_shares(limits: Limits, scores: Floats) -> Floats:
    """(n, k) the shares that each user's scores (n, k) ask for; NaN where a score is missing, whatever in the
    control's column. Raises InvalidInputError for other shapes."""
    k = len(limits.baseline)
    if scores.ndim != 2 or scores.shape[1] != k:
        raise InvalidInputError(f"scores must have shape (n, {k}), got {scores.shape}")
    shares = np.empty((k, len(scores)))
    for rows in row_chunks(len(scores), 8 * WORKING_ARRAYS * k):
        _move_off_baseline(limits, scores[rows].T, shares[:, rows])
    return shares.T


def ruled_shares(limits: Limits, shares: Floats, users: Bools, variant: int) -> Floats:
    """(n, k) shares (n, k) where a declared rule sends some users (n,) to a variant: they are in it but for
    the floor of each other one that is in. A rule for a variant that is out changes nothing; of two rules for
    a user, the later one holds."""
    baseline = limits.baseline
    if not 0 <= variant < len(baseline):
        raise InvalidInputError(f"a rule sends users to variant {variant}, of {len(baseline)}")
    ruled = np.array(shares, order="F")
    if baseline[variant] > 0:
        there = np.where(baseline > 0, limits.floor, 0.0)
        there[variant] = 1 - limits.floor * (np.count_nonzero(baseline) - 1)
        ruled[users] = there
    return ruled


def within_step(before: Floats, wanted: Floats, limit: float) -> Floats:
    """(n, k) the shares of tonight: from those of the night before towards what is wanted, both (n, k), as
    far along the line between them as no share moves by more than the limit.

    What is to be exactly 0 is stopped, and is so at once: what it had goes to those that gain, in proportion
    to what they gain, and only the way that is left then is bound by the limit. A variant that comes back
    from 0 climbs by the limit, and may be below the floor on the way. Users of whom there is no night before
    (NaN) have what is wanted. Raises InvalidInputError for shapes that differ, and for nights known in part.
    """
    if before.shape != wanted.shape or wanted.ndim != 2:
        raise InvalidInputError(f"shares before have shape {before.shape}, those wanted {wanted.shape}")
    n, k = wanted.shape
    shares = np.empty((k, n))
    for rows in row_chunks(n, 8 * WORKING_ARRAYS * k):
        _step(before[rows].T, wanted[rows].T, limit, shares[:, rows])
    return shares.T


def _move_off_baseline(limits: Limits, scores: Floats, shares: Floats) -> None:
    """Of some users, (k, m), into `shares`."""
    baseline, floor, control = limits.baseline, limits.floor, limits.control
    shares[:] = baseline[:, None]
    fallen, risen = np.zeros(shares.shape[1]), np.zeros(shares.shape[1])
    rises = {}
    for place in limits.treatments:
        base = float(baseline[place])
        lower = max(-limits.range, min(floor - base, 0.0))
        move = scores[place] - limits.risk_tolerance
        with np.errstate(invalid="ignore"):  # of a score without end, and scale 0
            move *= limits.scale
        np.clip(move, lower, limits.range, out=move)
        move[np.isnan(move)] = 0.0
        rise = rises[place] = np.maximum(move, 0.0)
        risen += rise
        move -= rise
        fallen -= move
        shares[place] += move
    room = fallen + (baseline[control] - floor)
    factor = np.divide(room, risen, out=np.ones_like(room), where=risen > room)
    for place, rise in rises.items():
        rise *= factor
        shares[place] += rise
        np.maximum(shares[place], floor, out=shares[place])
    risen *= factor
    fallen -= risen
    shares[control] += fallen
    np.maximum(shares[control], floor, out=shares[control])


def _step(before: Floats, wanted: Floats, limit: float, shares: Floats) -> None:
    """Of some users, (k, m), into `shares`."""
    new = np.isnan(before)
    known = ~new[0]
    if (new[1:] != new[0]).any():
        raise InvalidInputError(f"{np.sum(new.any(axis=0) & ~new.all(axis=0))} users have shares in part")
    shares[:] = before
    stopped = (wanted == 0) & (before > 0)
    if stopped.any():
        freed = np.where(stopped, before, 0.0).sum(axis=0)
        gain = np.maximum(wanted - before, 0.0)
        total = gain.sum(axis=0)
        shares += gain * np.divide(freed, total, out=np.zeros_like(freed), where=total > 0)
        shares[stopped] = 0.0
    left = wanted - shares
    farthest = np.abs(left).max(axis=0)
    bound = known & (farthest > limit)
    left *= np.divide(limit, farthest, out=np.zeros_like(farthest), where=bound)
    shares += left
    np.copyto(shares, wanted, where=~bound)
