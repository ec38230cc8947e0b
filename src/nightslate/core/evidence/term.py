"""What one cohort adds to the evidence for one challenger: mergeable sums over its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Keys, finite, require_names, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence.bets import BETS
from nightslate.core.evidence.stakes import Stakes


@dataclass(frozen=True, eq=False)
class Term:
    """Sums over users of one cohort for one ordered pair of policies, or for the value of one.

    users, units: how many counted. left_out: units of users who had more than `max_units`. clipped: units
    that counted, with rewards outside of the range. total: the sum of increments, without the margin, in
    widths of the range: total / units is an unbiased estimate of the mean difference.
    log_growth (K,): for each bet f the logarithm of what it multiplies its capital by,

        sum over users u of log(1 + f X_u / scale),     X_u = the sum of increments of the user's units

    which is finite, for no user loses more than the scale. Where the increments of all users have an
    expectation of 0 or less on average, the product has one of 1 or less: users are independent, and the
    product of 1 + l mu_u is at most exp(l sum of mu_u)."""

    users: int
    units: int
    left_out: int
    clipped: int
    total: float
    log_growth: Floats

    @classmethod
    def initial(cls) -> Self:
        """The term of nobody, which multiplies every capital by 1."""
        return cls(0, 0, 0, 0, 0.0, np.zeros(BETS.size))

    def update(
        self,
        stakes: Stakes,
        challenger_weight: Floats,
        champion_weight: Floats | None,
        reward: Floats,
        user: Keys,
    ) -> Self:
        """This term and n more units, (n,) each: importance weights of the two policies (1 where the policy
        itself logged; no champion: the term of the challenger's value), rewards, and users' keys.

        All units of a user are in one call, in the order in which they count: of more than `max_units` the
        first ones do. Raises InvalidInputError for weights that are negative, and values that are not
        finite."""
        if user.dtype != np.uint64 or user.ndim != 1:
            raise InvalidInputError(f"users must be (n,) uint64 keys, got {user.dtype} {user.shape}")
        shape = user.shape
        challenger = _weights("weights of the challenger", challenger_weight, shape)
        champion = None
        if champion_weight is not None:
            champion = _weights("weights of the champion", champion_weight, shape)
        reward = finite("rewards", reward, shape)

        order = np.argsort(user, kind="stable")
        kept = order[_first_units(user[order], stakes.max_units)]
        won = stakes.increments(challenger[kept], None if champion is None else champion[kept], reward[kept])
        starts = np.flatnonzero(_is_first(user[kept]))
        sums = np.add.reduceat(won, starts) if starts.size else won
        outside = (reward[kept] < stakes.low) | (reward[kept] > stakes.high)
        return self.merge(
            type(self)(
                users=starts.size,
                units=kept.size,
                left_out=user.size - kept.size,
                clipped=int(np.count_nonzero(outside)),
                total=float(won.sum()) + stakes.share * kept.size,
                log_growth=_log_growth(sums / stakes.scale),
            )
        )

    def merge(self, other: Self) -> Self:
        """The users of both, who are others."""
        return type(self)(
            users=self.users + other.users,
            units=self.units + other.units,
            left_out=self.left_out + other.left_out,
            clipped=self.clipped + other.clipped,
            total=self.total + other.total,
            log_growth=self.log_growth + other.log_growth,
        )

    def arrays(self) -> dict[str, AnyArray]:
        """All of the term, to travel between processes without pickle."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The term that `arrays()` described. Raises InvalidInputError if it is of other bets."""
        require_names(cls.__name__, arrays, tuple(field.name for field in fields(cls)))
        return cls(
            users=int(arrays["users"]),
            units=int(arrays["units"]),
            left_out=int(arrays["left_out"]),
            clipped=int(arrays["clipped"]),
            total=float(arrays["total"]),
            log_growth=finite("log_growth", arrays["log_growth"], BETS.shape),
        )


def _weights(name: str, values: Floats, shape: tuple[int, ...]) -> Floats:
    weights = finite(name, values, shape)
    if weights.min(initial=0.0) < 0:
        raise InvalidInputError(f"{name} must not be negative, the least is {weights.min()}")
    return weights


def _is_first(ordered: Keys) -> Bools:
    """(n,) whether a key is another than the one before it."""
    first = np.ones(ordered.size, dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _first_units(ordered: Keys, count: int) -> Bools:
    """(n,) whether a unit is among the first `count` of its user; a user's units lie together."""
    starts = np.flatnonzero(_is_first(ordered))
    rank = np.arange(ordered.size) - np.repeat(starts, np.diff(starts, append=ordered.size))
    return np.asarray(rank < count)


def _log_growth(losses: Floats) -> Floats:
    """(K,) the sum of log(1 + f x) over x (users,), each -1 or more."""
    growth = np.zeros(BETS.size)
    for users in row_chunks(losses.size, 8 * BETS.size):
        growth += np.log1p(np.multiply.outer(BETS, losses[users])).sum(axis=1)
    return growth
