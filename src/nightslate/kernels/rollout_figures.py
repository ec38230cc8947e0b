"""Who has which share on a day, and why: sums over users, told apart, and some users themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.allocation.share_sums import Drawn, ShareSums
from nightslate.core.arrays import Floats, Ints
from nightslate.kernels.contextual_assignments import USER, ContextualAssignment, Past
from nightslate.kernels.encoding import Intervals
from nightslate.kernels.lists import matrix, place_in
from nightslate.kernels.moved_by_scores import MovedByScores
from nightslate.kernels.named_states import Place, ShareSumsByName
from nightslate.kernels.rollout_causes import APART, CHANGES, Causes, causes_of
from nightslate.kernels.rollout_sample import RolloutSample, sampled

ASSIGNED_COLUMNS = ("experiment", "user_id", "variant", "shares", "probability", "since")

SUMS, SAMPLE, MOVED = "sums", "sample", "moved"
Key = str

ALL, SEGMENT, CHANGE, APART_BY = "all", "segment", "change", "apart"
"""Parts of the users: all of them; by a column of contexts; by why a share changed tonight; and by why it is
another than everyone's. A place is (part, column, value)."""


@dataclass(frozen=True)
class RolloutFigures:
    """Of a day's assignments. by: how they were made; everyone_before (k,): the shares of everyone the day
    before, NaN where there were none; segments: columns of contexts that users are told apart by, with the
    boundaries of numbers; moved: how those whom scores move are summed up, None without a model of
    effects."""

    by: ContextualAssignment
    everyone_before: Floats
    segments: Mapping[str, Sequence[float]]
    moved: MovedByScores | None = None

    def initial(self) -> dict[Key, Any]:
        """Of no users."""
        nobody = {} if self.moved is None else {MOVED: self.moved.initial()}
        return {SUMS: ShareSumsByName.initial(), SAMPLE: RolloutSample.initial(), **nobody}

    def update(
        self, users: pa.Table, scores: pa.Table, before: pa.Table, assignments: pa.Table
    ) -> Iterator[tuple[Key, Any]]:
        """Of the users of `assignments` (`ASSIGNED_COLUMNS`), of whom the other tables are as
        `ContextualAssignment.rows` has them."""
        by, assigned = self.by, _of_experiment(assignments, self.by.salt)
        users = by.members(users)
        ids = assigned[USER].combine_chunks()
        past = by.past(_of_experiment(before, by.salt), ids)
        drawn = Drawn(
            shares=matrix(assigned["shares"]).reshape(len(ids), len(by.variants)),
            variant=place_in(assigned["variant"], pa.array(by.variants, pa.string())),
            before=past.variant,
            scores=by.scores(scores, ids),
        )
        causes = causes_of(by, users, drawn, past, ids, self.everyone_before)
        yield SUMS, ShareSumsByName(dict(self._sums(users, drawn, causes, ids)))
        yield SAMPLE, self._sample(users, assigned, drawn, past, causes)
        if self.moved is not None:
            by_score = causes.apart == APART.index("score")
            of_user = place_in(users[USER], ids)
            yield MOVED, self.moved.update(users, of_user, drawn, by.limits.baseline, by_score)

    def _sums(
        self, users: pa.Table, drawn: Drawn, causes: Causes, ids: pa.Array
    ) -> Iterator[tuple[Place, ShareSums]]:
        limits, n = self.by.limits, len(ids)
        parts: list[tuple[str, str | None, Ints, Sequence[str | None]]] = [
            (ALL, None, np.zeros(n, dtype=np.int64), [None]),
            (CHANGE, None, causes.change, CHANGES),
            (APART_BY, None, causes.apart, APART),
        ]
        of_user = place_in(users[USER], ids)
        for name, boundaries in self.segments.items():
            code, values_of = coded(users[name], boundaries)
            cell_of = np.full(n, -1)
            cell_of[of_user] = code
            parts.append((SEGMENT, name, cell_of, values_of))
        for part, column, cell, values in parts:
            sums = ShareSums.by_cell(limits, drawn, cell, len(values))
            for value, of_value in zip(values, sums, strict=True):
                if of_value.users:
                    yield (part, column, value), of_value

    def _sample(
        self, users: pa.Table, assigned: pa.Table, drawn: Drawn, past: Past, causes: Causes
    ) -> RolloutSample:
        known = {name: _text(coded(users[name], boundaries)) for name, boundaries in self.segments.items()}
        contexts = pa.table({USER: users[USER], **known})
        return sampled(self.by.variants, assigned, contexts, drawn, past.shares, causes.change)


def coded(column: pa.ChunkedArray, boundaries: Sequence[float]) -> tuple[Ints, list[str | None]]:
    """(n,) the place of each value of a column among those that it has, null among them, and these; of
    numbers the interval."""
    if boundaries:
        numbers = column.cast(pa.float64()).to_numpy()
        ends = [f"{end:g}" for end in boundaries]
        names = [f"under {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends))]
        values: list[str | None] = [*names, f"{ends[-1]} and more", None]
        place = Intervals(tuple(boundaries)).of(np.nan_to_num(numbers))
        return np.where(np.isnan(numbers), len(values) - 1, place), values
    codes = column.cast(pa.string()).combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(codes.indices, dtype=np.int64), codes.dictionary.to_pylist()


def _text(of_column: tuple[Ints, list[str | None]]) -> pa.Array:
    place, values = of_column
    return pa.array(values, pa.string()).take(pa.array(place))


def _of_experiment(rows: pa.Table, salt: str) -> pa.Table:
    return rows.filter(pc.equal(rows["experiment"], salt)).combine_chunks()
