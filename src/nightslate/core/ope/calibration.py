"""Whether logged propensities are the frequencies that they claim to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtri

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Sums, finite, indices, row_chunks
from nightslate.core.errors import InvalidInputError

TENTHS = 10
"""Propensities are put into [0, 0.1), [0.1, 0.2), ... [0.9, 1]: the same for every partition."""

ALPHA = 0.01
"""The probability of calling any arm in any slot off although all propensities are right."""


@dataclass(frozen=True, eq=False)
class Calibration(Sums):
    """Sums over rows by arm, slot and tenth of the propensity, each (A, K, TENTHS).

    rows: how many; predicted: of propensities; variance: of p (1 - p); realised: how often the arm was
    shown. It needs the propensities of all arms, not just of those that were shown."""

    rows: Floats
    predicted: Floats
    variance: Floats
    realised: Floats

    @classmethod
    def initial(cls, arms: int, slots: int = 1) -> Self:
        """The sums of no rows."""
        return cls(*np.zeros((4, arms, slots, TENTHS)))

    def update(self, propensities: AnyArray, shown: Ints, slot: Ints | None = None) -> Self:
        """These sums and those of m more rows: propensities (m, A) of all arms, shown (m,) the place of the
        arm that was shown, slot (m,) counted from 1, 1 if not given.

        Raises InvalidInputError for shapes, places and propensities outside their ranges."""
        arms, slots, _ = self.rows.shape
        m = len(propensities)
        p = finite("propensities", propensities, (m, arms))
        if ((p < 0) | (p > 1)).any():
            raise InvalidInputError(f"propensities have {np.sum((p < 0) | (p > 1))} values not in [0, 1]")
        shown = indices("shown", shown, (m,), arms)
        place = indices("slot - 1", np.zeros(m, np.int64) if slot is None else slot - 1, (m,), slots)
        added = np.zeros((4, self.rows.size))
        for rows in row_chunks(m, 8 * 6 * arms):
            chunk = p[rows]
            tenth = np.minimum(chunk * TENTHS, TENTHS - 1).astype(np.int64)
            cell = ((np.arange(arms) * slots + place[rows, None]) * TENTHS + tenth).ravel()
            hit = np.arange(arms) == shown[rows, None]
            for sums, terms in zip(
                added, (np.ones_like(chunk), chunk, chunk * (1 - chunk), hit), strict=True
            ):
                sums += np.bincount(cell, weights=terms.ravel(), minlength=self.rows.size)
        return self.merge(type(self)(*added.reshape(4, *self.rows.shape)))

    @property
    def z(self) -> Floats:
        """(A, K, TENTHS) by how many standard deviations an arm was shown more often than predicted; NaN
        without rows, infinite where what happened has probability 0."""
        return _z(self.realised - self.predicted, self.variance, self.rows > 0)

    @property
    def chi_square(self) -> tuple[Floats, Ints]:
        """(A, K) the sum over tenths of z**2, and its degrees of freedom: tenths are different rows, so the
        z of an arm in a slot are independent."""
        tested = self.rows > 0
        return np.square(self.z).sum(axis=2, where=tested), np.asarray(
            ((self.variance > 0) & tested).sum(axis=2)
        )

    @property
    def p_value(self) -> float:
        """The probability of a chi-square as unlikely as the most unlikely one, under right propensities, by
        the union bound over arms and slots; 1 where nothing is tested."""
        chi_square, degrees = self.chi_square
        each = np.where(degrees > 0, chdtrc(np.maximum(degrees, 1), chi_square), np.isfinite(chi_square))
        tested = int((self.rows.sum(axis=2) > 0).sum())
        return float(min(1.0, each.min(initial=1.0) * max(1, tested)))


@dataclass(frozen=True, eq=False)
class Inverses(Sums):
    """The check that needs nothing but what was shown: 1/p where an arm is shown and 0 where it is not has
    the mean 1 over the decisions in which the arm could be shown in that slot.

    Sums by arm and slot, each (A, K). shown: rows; inverse: of 1/p; squares: of (1/p - 1)**2 over rows that
    show it; open: decisions which have that slot and do not hold the arm in an earlier one."""

    shown: Floats
    inverse: Floats
    squares: Floats
    open: Floats

    @classmethod
    def initial(cls, arms: int, slots: int) -> Self:
        """The sums of no rows."""
        return cls(*np.zeros((4, arms, slots)))

    def update(self, propensity: ArrayLike, arm: Ints, slot: Ints, length: Ints | None = None) -> Self:
        """These sums and those of m more rows: propensity (m,) in (0, 1], given the slots before; arm (m,)
        places; slot (m,) counted from 1; length (m,) the slots of the row's decision, all of whose rows are
        here. Without lengths an arm is taken to be possible in every slot, whatever the others hold."""
        arms, slots = self.shown.shape
        m = len(arm)
        p = finite("propensity", propensity, (m,))
        if ((p <= 0) | (p > 1)).any():
            raise InvalidInputError(f"propensity has {np.sum((p <= 0) | (p > 1))} values not in (0, 1]")
        place = indices("slot - 1", slot - 1, (m,), slots)
        cell = indices("arm", arm, (m,), arms) * slots + place
        added = np.empty((4, arms, slots))
        for sums, terms in zip(added, (np.ones(m), 1 / p, np.square(1 / p - 1)), strict=False):
            sums[:] = np.bincount(cell, weights=terms, minlength=arms * slots).reshape(arms, slots)
        added[3] = np.bincount(place, minlength=slots)
        if length is not None:
            added[3] -= _held_before(arm, place, length, (arms, slots))
        return self.merge(type(self)(*added))

    @property
    def mean(self) -> Floats:
        """(A, K) the sum of 1/p over the decisions that are open to the arm; NaN where there are none."""
        return np.divide(self.inverse, np.where(self.open > 0, self.open, np.nan))

    @property
    def z(self) -> Floats:
        """(A, K) by how many standard errors the mean is over 1; NaN for arms that a slot never shows.

        Under 1 by much need not be an error: an arm that is new or not eligible cannot be shown everywhere.
        Over 1 by much is: it was shown more often than its propensities say."""
        variance = self.squares + (self.open - self.shown)
        return _z(self.inverse - self.open, variance, self.shown > 0)

    @property
    def off(self) -> Bools:
        """(A, K) which means are over 1 by more than chance allows in any of all cells (1 %)."""
        limit = -ndtri(ALPHA / max(1, int((self.shown > 0).sum())))
        return np.asarray(np.nan_to_num(self.z, nan=0.0) > limit)


def _held_before(arm: Ints, place: Ints, length: Ints, shape: tuple[int, int]) -> Floats:
    """(A, K) in how many decisions that have a slot the arm is in an earlier one."""
    arms, slots = shape
    change = np.zeros((arms, slots + 1))
    np.add.at(change, (arm, place + 1), 1.0)
    np.add.at(change, (arm, length), -1.0)
    return np.asarray(np.cumsum(change, axis=1)[:, :slots])


def _z(excess: Floats, variance: Floats, tested: AnyArray) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(np.abs(excess) <= 1e-9 * (1 + variance), 0.0, excess / np.sqrt(variance))
    return np.where(tested, z, np.nan)
