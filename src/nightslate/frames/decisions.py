"""Rows of single slots as whole decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints
from nightslate.frames.samples import arm_places, weighable

_KEY = ("user_id", "decision_id")
_ORDER = [(name, "ascending") for name in (*_KEY, "slot")]


@dataclass(frozen=True, eq=False)
class Decisions:
    """`first`: the row of the first slot of each decision. The rest is (decisions, slots); a slot that a
    decision does not have is worth 0, has propensity 1, and shows no arm (-1), like an arm that is gone."""

    first: pa.Table
    reward: Floats
    propensity: Floats
    shown: Ints
    has_slot: Bools

    @classmethod
    def of(cls, rows: pa.Table, arms: tuple[str, ...], slots: int) -> Decisions:
        """The decisions of up to `slots` slots that lack none of them, with conditional propensities: any
        other has no propensity as a whole."""
        rows = rows.sort_by(_ORDER)
        starts = _starts(rows)
        decision = np.repeat(np.arange(starts.size), np.diff(starts, append=rows.num_rows))
        place = np.arange(rows.num_rows) - starts[decision]
        whole = np.ones(starts.size, dtype=np.bool_)
        in_place = (rows["slot"].to_numpy() == place + 1) & (place < slots)
        np.logical_and.at(whole, decision, in_place & weighable(rows, "conditional"))
        kept = np.flatnonzero(whole[decision])
        shape, cell = (int(whole.sum()), slots), ((np.cumsum(whole) - 1)[decision[kept]], place[kept])

        def spread(values: AnyArray, absent: float) -> AnyArray:
            matrix = np.full(shape, absent, dtype=values.dtype)
            matrix[cell] = values[kept]
            return matrix

        return cls(
            first=rows.take(pa.array(starts[whole])),
            reward=spread(rows["reward"].to_numpy(), 0.0),
            propensity=spread(rows["propensity"].to_numpy(), 1.0),
            shown=spread(arm_places(rows, arms), -1),
            has_slot=spread(np.ones(rows.num_rows, dtype=np.bool_), False),
        )


def _starts(rows: pa.Table) -> Ints:
    """Where in rows that are sorted by decision each decision starts."""
    first = np.ones(rows.num_rows, dtype=np.bool_)
    columns = [rows[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in _KEY]
    first[1:] = np.logical_or.reduce([codes[1:] != codes[:-1] for codes in columns])
    return np.flatnonzero(first)
