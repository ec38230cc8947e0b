"""How many users a readout is about, and what some of them count for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import ArrayRecord, Bools, Floats, Ints, Sums
from nightslate.core.experiments import SampleRatio
from nightslate.kernels.experiment_users import DAY, EPOCH, ExperimentUsers
from nightslate.kernels.named_states import Place, SampleRatiosByName


@dataclass(frozen=True, eq=False)
class Sample(ArrayRecord):
    """What some users count for (n,)."""

    values: Floats

    def merge(self, other: Self) -> Self:
        """Of those of both."""
        return type(self)(np.concatenate([self.values, other.values]))


@dataclass(frozen=True, eq=False)
class Counts(Sums):
    """Of each of k variants: users assigned (k,) and exposed (k,); those exposed on the night's day, today
    (k,); of those exposed how many were shown something that names a variant (k,), and another one than they
    were assigned to (k,). apart (k, k): exposed users, of any variant, who could not be in both of two. rows
    (p,): in how many rows of logs each of p things was found that are measured."""

    assigned: Ints
    exposed: Ints
    today: Ints
    named: Ints
    crossed: Ints
    apart: Ints
    rows: Ints

    @classmethod
    def initial(cls, variants: int, parts: int) -> Counts:
        """Of no users."""
        nobody = np.zeros(variants, dtype=np.int64)
        apart = np.zeros((variants, variants), dtype=np.int64)
        return cls(nobody, nobody, nobody, nobody, nobody, apart, np.zeros(parts, dtype=np.int64))


def sample_ratios_of(users: ExperimentUsers, segments: Sequence[str], variants: int) -> SampleRatiosByName:
    """Of users that were exposed, by column and value of a segment, and the day of the first exposure."""
    who, since = users.since("exposed")
    days, found = since // DAY, dict[Place, SampleRatio]()
    for column in (None, *segments):
        codes, names = users.segment(column)
        cells, cell = np.unique(np.stack([days, codes[who]]), axis=1, return_inverse=True)
        order = np.argsort(cell, kind="stable")
        ends = np.searchsorted(cell[order], np.arange(1, cells.shape[1]))
        for (day, code), places in zip(cells.T.tolist(), np.split(order, ends), strict=False):
            mine = who[places]
            name = (EPOCH + timedelta(days=day)).isoformat()
            found[column, names[code], name] = SampleRatio.initial(variants).update(
                users.variant[mine], users.probabilities[mine]
            )
    return SampleRatiosByName(found)


def counts_of(users: ExperimentUsers, variants: Sequence[str], ds: date, rows: Sequence[int]) -> Counts:
    """Of some users of the night of ds; rows: see `Counts`."""
    own = pa.array(variants, pa.string()).take(pa.array(users.variant[users.shown_to]))
    says = users.shown["variant"].combine_chunks()
    named = np.asarray(says.is_valid(), dtype=np.bool_)
    other = np.asarray(pc.fill_null(pc.not_equal(says, own), False), dtype=np.bool_)
    today = users.shown_at // DAY == (ds - EPOCH).days
    everybody = np.ones(users.variant.size, dtype=np.bool_)
    never = ~users.could[users.first >= 0]

    def by_variant(which: Bools) -> Ints:
        return np.bincount(users.variant[which], minlength=len(variants))

    return Counts(
        assigned=by_variant(everybody),
        exposed=by_variant(users.first >= 0),
        today=by_variant(users.shown_of(today)),
        named=by_variant(users.shown_of(named)),
        crossed=by_variant(users.shown_of(other)),
        apart=np.count_nonzero(never[:, :, None] | never[:, None, :], axis=0),
        rows=np.array(rows, dtype=np.int64),
    )
