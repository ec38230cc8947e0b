"""Rewards that come late: which share of an impression's credit has come by its age.

A young impression has had a part of its time only: what it has earned by now is too little, and that it has
earned nothing says little. Where G(a) is the share of credit that comes within a of the impression, credit /
G(a) has the mean of what an impression of age a will have earned in the end, as long as the delay does not
depend on what else is known: inverse probability of censoring weighting (Robins and Rotnitzky, 1992; Bang and
Tsiatis, 2000).

G is the product-limit estimate (`core.product_limit`) from the credits of impressions of all ages. How much
impressions earn may change from day to day, as it does when policies learn: only credit is compared with
credit. (The mean cumulative function of Nelson, 1995, compares it with impressions, and sees delays where
those shown later earn more.) Where everyone has had the whole window and earns at most once, it is one minus
the Kaplan-Meier estimate, divided by its value at the end.

Arms may differ in how late their rewards come, and few have credits enough for a curve of their own: an arm's
G is that of its credits and of SHRINKAGE more whose delays are its kind's (`product_limit.shrunk`). Credits
are counted by users: n is (sum over users of what each earned with the arm)^2 / sum of its squares (Kish,
1965).

Time is counted in steps of a kind's window, and what an impression earned in a step that it has not had the
whole of is left out, both of G and of its reward: no rounding biases either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, finite, indices
from nightslate.core.errors import InvalidInputError
from nightslate.core.product_limit import Truncated, shrunk

STEPS = 512
"""How many equal steps a window has."""

SHRINKAGE = 10.0
"""So many credits an arm has beside its own, as late as those of all arms."""

OWN_CURVES = 1000
"""So many arms of a kind, those with the most credit, have delays of their own; the rest are as one."""

_MEASURES = ("credits", "amounts", "squares", "losses")


@dataclass(frozen=True, eq=False)
class Credited:
    """m credits, all (m,): `kinds` 0..K-1, `arms` 0..A-1 of their impressions, `amounts`, `lags` from the
    impression to the outcome, and `ages` of the impression. Times are in microseconds; a lag below 0 counts
    as 0.

    Raises InvalidInputError where lengths differ, an amount is not finite, or times are no integers."""

    kinds: Ints
    arms: Ints
    amounts: Floats
    lags: Ints
    ages: Ints

    def __post_init__(self) -> None:
        shape = (len(self.kinds),)
        finite("amounts", self.amounts, shape)
        for name, times in (("lags", self.lags), ("ages", self.ages)):
            if times.shape != shape or times.dtype.kind not in "iu":
                raise InvalidInputError(
                    f"{name} must be integers of shape {shape}, got {times.dtype} {times.shape}"
                )

    def places(self, n_kinds: int, n_arms: int) -> tuple[Ints, Ints]:
        """(m,) kinds and arms. Raises InvalidInputError where there are not so many."""
        shape = np.shape(self.kinds)
        return indices("kinds", self.kinds, shape, n_kinds), indices("arms", self.arms, shape, n_arms)


@dataclass(frozen=True, eq=False)
class OfKind:
    """Credits of one kind by group, a group being an arm that earned something, or all arms beyond the
    OWN_CURVES with the most credit together, as the last. group (A,): of each arm, -1 without credit;
    `of_users` (G,): squared sums of users.

    Each (G, STEPS + 1): how many `credits`, their absolute `amounts`, the `squares` of these, and how many
    are `losses`."""

    group: Ints
    of_users: Floats
    credits: Truncated
    amounts: Truncated
    squares: Truncated
    losses: Truncated

    @property
    def total(self) -> Floats:
        """(G,) absolute amounts."""
        return np.asarray(self.amounts.came.sum(axis=1))

    @property
    def shares(self) -> Floats:
        """(G, STEPS + 1) the share of each group's credit that comes within so many steps."""
        return shrunk(self.amounts, self.of_users / self.total, SHRINKAGE)


@dataclass(frozen=True, eq=False)
class DelaySums(ArrayRecord):
    """Sums over credits by kind, arm and step, of those cells that there are any in: `cells` (m,) in
    ascending order, ((kind * A) + arm) * (STEPS + 1) + step; `sums` (m, 2, 4), by the steps that it takes to
    see a credit and by the steps that its impression has had, of 1, its absolute amount, the square of that,
    and 1 if it is a loss. `of_users` (K, A): over users, the square of what each earned, in absolute amounts.

    Memory grows with the credits, and never beyond the cells."""

    cells: Ints
    sums: Floats
    of_users: Floats

    @classmethod
    def zero(cls, n_kinds: int, n_arms: int) -> Self:
        """No credits yet."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros((0, 2, len(_MEASURES))), np.zeros((n_kinds, n_arms)))

    def update(self, windows: Ints, credited: Credited, users: Ints) -> Self:
        """These sums and more credits: of some `users` (m,), told apart by number, all that are known.
        `windows` (K,) > 0 of each kind, in microseconds. Raises InvalidInputError for other numbers."""
        n_kinds, n_arms = self.of_users.shape
        _require_windows(windows, n_kinds)
        kinds, arms = credited.places(n_kinds, n_arms)
        it_takes, had = _steps(credited, windows[kinds])
        seen = (it_takes <= had) & (credited.amounts != 0)
        place, given = (kinds * n_arms + arms)[seen], credited.amounts[seen]
        worth = np.abs(given)
        measures = np.stack([np.ones_like(worth), worth, worth**2, given < 0], axis=1)
        sums = np.zeros((2, len(worth), 2, len(_MEASURES)))
        sums[0, :, 0], sums[1, :, 1] = measures, measures
        steps = np.stack([it_takes[seen], had[seen]])
        cells, added = _summed((place * (STEPS + 1) + steps).ravel(), sums.reshape(-1, 2, len(_MEASURES)))
        _, user = np.unique(users[seen], return_inverse=True)
        earning, earned = _summed(place * (len(worth) + 1) + user, worth)
        of_users = np.zeros(n_kinds * n_arms)
        np.add.at(of_users, earning // (len(worth) + 1), earned**2)
        return self.merge(type(self)(cells, added, of_users.reshape(n_kinds, n_arms)))

    def merge(self, other: Self) -> Self:
        """The sums over the credits of both. Raises InvalidInputError where kinds or arms are not as many."""
        if self.of_users.shape != other.of_users.shape:
            raise InvalidInputError(
                f"cannot merge DelaySums of (kinds, arms) {self.of_users.shape} and {other.of_users.shape}"
            )
        cells, sums = _summed(
            np.concatenate([self.cells, other.cells]), np.concatenate([self.sums, other.sums])
        )
        return type(self)(cells, sums, self.of_users + other.of_users)

    def of_kind(self, kind: int) -> OfKind:
        """What they are for one kind."""
        _, n_arms = self.of_users.shape
        start, end = np.searchsorted(self.cells, np.array([kind, kind + 1]) * n_arms * (STEPS + 1))
        cells, sums = self.cells[start:end] - kind * n_arms * (STEPS + 1), self.sums[start:end]
        arm, step = np.divmod(cells, STEPS + 1)
        earned = np.bincount(arm, sums[:, 0, _MEASURES.index("amounts")], minlength=n_arms)
        order = np.argsort(-earned, kind="stable")[: np.count_nonzero(earned)]
        group = np.full(n_arms, -1)
        group[order] = np.minimum(np.arange(len(order)), OWN_CURVES)
        n_groups = min(len(order), OWN_CURVES + 1)
        by_group = np.zeros((n_groups, STEPS + 1, 2, len(_MEASURES)))
        np.add.at(by_group, (group[arm], step), sums)
        measures = np.ascontiguousarray(np.moveaxis(by_group, (3, 2), (0, 1)))
        of_users = np.zeros(n_groups)
        np.add.at(of_users, group[order], self.of_users[kind, order])
        return OfKind(group, of_users, *(Truncated(came, watched) for came, watched in measures))

    def delays(self, windows: Ints) -> Delays:
        """What these sums say of the delays of the kinds with these windows (K,), in microseconds."""
        n_kinds, n_arms = self.of_users.shape
        _require_windows(windows, n_kinds)
        kinds = [self.of_kind(kind) for kind in range(n_kinds)]
        curves = [np.array([of_kind.amounts.pooled.within for of_kind in kinds]).reshape(n_kinds, STEPS + 1)]
        curve = np.repeat(np.arange(n_kinds)[:, None], n_arms, axis=1)
        known = n_kinds
        for kind, of_kind in enumerate(kinds):
            if len(of_kind.total) > 1:
                curves.append(of_kind.shares)
                curve[kind] = np.where(of_kind.group >= 0, known + of_kind.group, kind)
                known += len(of_kind.total)
        return Delays(windows, np.concatenate(curves), curve)


@dataclass(frozen=True, eq=False)
class Delays(ArrayRecord):
    """windows (K,) in microseconds. seen (C, STEPS + 1): curves, the share of credit that comes within so
    many steps of a kind's window; the first K are the kinds'. At the last step it is 1; before it NaN, where
    no impression that has had its whole window has earned anything: nobody knows then how late a kind comes.
    curve (K, A): which curve an arm has in a kind."""

    windows: Ints
    seen: Floats
    curve: Ints

    def least_age(self, min_seen: float) -> int:
        """From this age on, in microseconds, an impression of whatever arm has had at least this share of
        each kind's credit; of a kind whose delays nobody knows it needs the whole window. 0 without kinds.
        Raises InvalidInputError for a share outside (0, 1]."""
        if not 0 < min_seen <= 1:
            raise InvalidInputError(f"min_seen must be a share in (0, 1], got {min_seen}")
        steps = steps_until(self.seen, min_seen)[self.curve].max(axis=1, initial=0)
        return int((-(-steps * self.windows // STEPS)).max(initial=0))

    def stands_for(self, credited: Credited) -> Floats:
        """(m,) what each credit stands for: credit / G of its impression's age, and 0 in the step that the
        impression is in. Raises InvalidInputError for credits of impressions too young for anyone to know."""
        kinds, arms = credited.places(*self.curve.shape)
        it_takes, had = _steps(credited, self.windows[kinds])
        seen, share = it_takes <= had, self.seen[self.curve[kinds, arms], had]
        unknown = int(np.count_nonzero(seen & ~(share > 0)))
        if unknown:
            raise InvalidInputError(
                f"{unknown} credits are of impressions whose share of credit by now is not known: take those "
                "that are at least `least_age` old"
            )
        return np.divide(credited.amounts, share, out=np.zeros(len(kinds)), where=seen)

    def medians(self) -> Floats:
        """(K,) how long it takes to see half of the credit, in microseconds; NaN where nobody knows."""
        of_kinds = self.seen[: len(self.windows)]
        return np.where(np.isnan(of_kinds[:, 0]), np.nan, steps_until(of_kinds, 0.5) * (self.windows / STEPS))


def steps_until(seen: Floats, share: float) -> Ints:
    """(...) after how many steps so much has come; all of them where that is not known."""
    return np.asarray(np.argmax(seen >= share, axis=-1))  # the last one always is


def _steps(credited: Credited, windows: Ints) -> tuple[Ints, Ints]:
    """(m,) how many steps of its window it takes to see each credit, and how many its impression has had."""
    lags, ages = np.clip(credited.lags, 0, windows), np.minimum(credited.ages, windows)
    return -(-lags * STEPS // windows), ages * STEPS // windows


def _summed(keys: Ints, amounts: Floats) -> tuple[Ints, Floats]:
    """The distinct keys in order, and the sum of what each has."""
    distinct, place = np.unique(keys, return_inverse=True)
    sums = np.zeros((len(distinct), *amounts.shape[1:]))
    np.add.at(sums, place, amounts)
    return distinct, sums


def _require_windows(windows: Ints, n_kinds: int) -> None:
    if windows.shape != (n_kinds,) or windows.dtype.kind not in "iu" or (windows <= 0).any():
        raise InvalidInputError(f"windows must be {n_kinds} numbers of microseconds > 0, got {windows!r}")
