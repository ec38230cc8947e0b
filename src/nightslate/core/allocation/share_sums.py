"""What shares users have, and who was moved: sums over users that merge, from which means, quantiles and
histograms follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.allocation.shares import EXACT, Limits
from nightslate.core.arrays import Bools, Floats, Ints, Sums

SHARES = 201
"""Classes of shares: each 200th of 1 with what is nearest to it, so that 0 and 1 are exact."""
ASKED = 41
"""Classes of what scores ask for, likewise: 20ths of the range, from all of it down to all of it up."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Of n users and k variants: shares (n, k); variant (n,) that each is in, by its place; before (n,) that
    of the day before, -1 of those who are new; scores (n, k), NaN where there is none."""

    shares: Floats
    variant: Ints
    before: Ints
    scores: Floats

    @property
    def moved(self) -> Bools:
        """(n,) who is in another variant than the day before."""
        return np.asarray((self.before >= 0) & (self.before != self.variant))


@dataclass(frozen=True, eq=False)
class ShareSums(Sums):
    """Over users, by variant (k,) but for the first two. users, apart (): how many there are, and how many of
    them have another share than everyone's; drawn, came, left: how many are in it, were moved into it and out
    of it tonight; share: the sum of their shares of it; scored, below, score: how many have a score of it, of
    how many that is below the tolerance, and the sum; shares (k, SHARES), asked (k, ASKED): users by their
    share, and by how much of the range their score asks to move it."""

    users: Ints
    apart: Ints
    drawn: Ints
    came: Ints
    left: Ints
    share: Floats
    scored: Ints
    below: Ints
    score: Floats
    shares: Ints
    asked: Ints

    @classmethod
    def by_cell(cls, limits: Limits, users: Drawn, cell: Ints, cells: int) -> Sequence[Self]:
        """Those of the users (n,) of each of so many cells; who is in none has -1."""
        there = cell >= 0
        cell, k = cell[there], len(limits.baseline)
        shares, scores, variant = users.shares[there], users.scores[there], users.variant[there]
        moved, known = users.moved[there], np.isfinite(scores)

        def of_users(some: Bools) -> Ints:
            return np.bincount(cell[some], minlength=cells)

        def by_variant(some: Bools, place: Ints) -> Ints:
            flat = np.bincount(cell[some] * k + place[some], minlength=cells * k)
            return flat.reshape(cells, k)

        def of_each(values: Floats | Bools) -> Floats:
            columns = [np.bincount(cell, weights=column, minlength=cells) for column in values.T]
            return np.stack(columns, axis=1)

        def in_classes(places: Ints, classes: int, some: Bools) -> Ints:
            flat = [
                np.bincount(cell[of] * classes + place[of], minlength=cells * classes)
                for place, of in zip(places.T, some.T, strict=True)
            ]
            return np.stack(flat, axis=1).reshape(cells, classes, k).transpose(0, 2, 1)

        apart = np.any(np.abs(shares - limits.baseline) > 2 * EXACT, axis=1)
        everyone, all_shares = np.ones(len(cell), dtype=np.bool_), np.ones(shares.shape, dtype=np.bool_)
        asked = np.rint(asked_of(limits, np.where(known, scores, 0.0)) * (ASKED // 2)).astype(np.int64)
        found = {
            "users": of_users(everyone),
            "apart": of_users(np.asarray(apart)),
            "drawn": by_variant(everyone, variant),
            "came": by_variant(moved, variant),
            "left": by_variant(moved, users.before[there]),
            "share": of_each(shares),
            "scored": of_each(known).astype(np.int64),
            "below": of_each(known & (scores < limits.risk_tolerance)).astype(np.int64),
            "score": of_each(np.where(known, scores, 0.0)),
            "shares": in_classes(np.rint(shares * (SHARES - 1)).astype(np.int64), SHARES, all_shares),
            "asked": in_classes(asked + ASKED // 2, ASKED, known),
        }
        return [cls(**{name: np.asarray(array[at]) for name, array in found.items()}) for at in range(cells)]

    @property
    def mean_share(self) -> Floats:
        """(k,) NaN of no users."""
        return _over(self.share, self.users)

    @property
    def mean_score(self) -> Floats:
        """(k,) of those who have one, NaN of none."""
        return _over(self.score, self.scored)

    def share_quantile(self, q: float) -> Floats:
        """(k,) the share that so many users have at most, to a 200th; NaN of no users."""
        reached = self.shares.cumsum(axis=1) >= q * self.users
        return np.where(self.users > 0, reached.argmax(axis=1) / (SHARES - 1), np.nan)


def asked_of(limits: Limits, scores: Floats) -> Floats:
    """(n, k) by how much of the range scores (n, k) ask to move a share, from -1 to 1."""
    moves = limits.scale * (scores - limits.risk_tolerance)
    return np.asarray(np.clip(moves, -limits.range, limits.range) / (limits.range or 1.0))


def _over(total: Floats, count: Ints) -> Floats:
    return np.asarray(
        np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)
    )
