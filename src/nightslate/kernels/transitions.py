"""Transitions of the table as fitted Q iteration takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints, Keys, Sums
from nightslate.core.fitted_q import Transitions
from nightslate.core.hashing import lowest, mix, seed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.rewards import arm_places, eligible_arms, folds_of
from nightslate.kernels.trajectories import NEXT

SAMPLED_BY = ("user_id", "occurred_at")
"""The columns of transitions that say which of them a sample has."""

_FIRST_BITS = 12


def transitions(rows: pa.Table, encoder: Encoder, arms: tuple[str, ...]) -> Transitions:
    """Rows of the table `transitions`. Those of an arm that is gone teach nothing, nor those after which no
    arm that is there could be chosen."""
    shown, terminal = arm_places(rows, arms), np.asarray(rows["terminal"], dtype=np.bool_)
    after = pa.table({name: rows[NEXT + name] for name in (*encoder.features, "eligible_arms")})
    eligible = eligible_arms(after, arms) & ~terminal[:, None]
    kept = np.flatnonzero((shown >= 0) & (terminal | eligible.any(axis=1)))
    next_states = np.where(terminal[kept, None], 0.0, encoder(after.take(kept)))
    return Transitions(
        states=encoder(rows.take(kept)),
        actions=shown[kept],
        rewards=rows["reward"].to_numpy()[kept],
        next_states=next_states,
        next_eligible=eligible[kept],
        terminal=terminal[kept],
    )


def sampled(rows: pa.Table, most: int, program: str) -> pa.Table:
    """At most so many of the transitions, the same whatever their order."""
    return rows.filter(pa.array(lowest(_keys(rows, program), most)))


@dataclass(frozen=True, eq=False)
class SamplingCounts(Sums):
    """(folds, bins) how many transitions of the users of each fold have which first bits of the keys that
    `sampled` goes by."""

    counts: Ints

    @classmethod
    def initial(cls, folds: int) -> Self:
        """Those of no transitions."""
        return cls(np.zeros((folds, 2**_FIRST_BITS), dtype=np.int64))

    def update(self, rows: pa.Table, program: str) -> Self:
        """These, and more transitions."""
        folds, bins = self.counts.shape
        fold_of = folds_of(user_keys(rows), program, folds)
        added = np.bincount(fold_of * bins + _first_bits(rows, program), minlength=folds * bins)
        return type(self)(self.counts + added.reshape(folds, bins))

    def bound(self, most: int) -> int:
        """The first bits beyond which no transition is among `most` of the users of other folds than one, or
        of all users where there is one fold."""
        up_to = self.counts.cumsum(axis=1)
        of_others = up_to.sum(axis=0) - up_to if len(up_to) > 1 else up_to
        return max(int(np.searchsorted(each, min(most, int(each[-1])))) for each in of_others)


def up_to(rows: pa.Table, bound: int, program: str) -> pa.Table:
    """Those of the transitions that a sample may have, see `SamplingCounts.bound`."""
    return rows.filter(pa.array(_first_bits(rows, program) <= bound))


def _first_bits(rows: pa.Table, program: str) -> Ints:
    return (_keys(rows, program) >> np.uint64(64 - _FIRST_BITS)).astype(np.int64)


def _keys(rows: pa.Table, program: str) -> Keys:
    at = rows["occurred_at"].cast(pa.int64()).to_numpy().astype(np.uint64)
    return mix(mix(user_keys(rows), at), seed(program, "transitions"))
