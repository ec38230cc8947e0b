"""Rows as such, for learners that no sums suffice: distinct ones, and of those a sample of bounded size."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Floats, Ints, Keys, finite, indices, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, uniform
from nightslate.core.policies.statistics import row_weights


@dataclass(frozen=True, eq=False)
class Rows:
    """What a learner fits: contexts (m, d), arms (m,), rewards (m,), weights (m,), all > 0. Each row stands
    for `scale` distinct ones, so scale times the sum over these rows is an unbiased estimate of the sum over
    all."""

    contexts: Floats
    arms: Ints
    rewards: Floats
    weights: Floats
    scale: float

    def ceiling(self) -> float:
        """The largest reward, at least 1: what a model of a probability multiplies by. Raises
        InvalidInputError for negative rewards."""
        negative = int(np.count_nonzero(self.rewards < 0))
        if negative:
            raise InvalidInputError(
                f"{negative} of {self.rewards.size} distinct rows have a negative reward, which is no "
                "multiple of a probability: add a constant to all rewards, or take a linear model"
            )
        return max(1.0, float(self.rewards.max(initial=0.0)))


@dataclass(frozen=True, eq=False)
class RowSample(ArrayRecord):
    """The distinct rows (context, arm, reward) with the smallest hashes of their content, at most `max_rows`:
    a bottom-k sketch (Cohen and Kaplan, 2007), in ascending order of hash.

    contexts (m, d), places of arms (m,), rewards (m,), weights (m,) and counts (m,) summed over equal rows,
    keys (m,); the number of arms (), of rows seen () and max_rows ().

    A row is kept or not for what it is, never for when it came: the sketch of a union is the sketch of the
    union of sketches, and sums of a kept row are complete. Rows of equal 64-bit hashes count as equal, which
    befalls a million distinct rows with probability 3e-8."""

    contexts: Floats
    places: Ints
    rewards: Floats
    weights: Floats
    counts: Ints
    keys: Keys
    n_arms: Ints
    seen: Ints
    max_rows: Ints

    @classmethod
    def empty(cls, n_arms: int, n_features: int, max_rows: int) -> Self:
        """No rows yet. Raises InvalidInputError unless max_rows is at least 2."""
        require_max_rows(max_rows)
        none, sizes = np.zeros(0), (np.asarray(size) for size in (n_arms, 0, max_rows))
        whole = none.astype(np.int64)
        return cls(np.zeros((0, n_features)), whole, none, none, whole, none.astype(np.uint64), *sizes)

    @property
    def arms(self) -> int:
        """The number of arms."""
        return int(self.n_arms)

    @property
    def features(self) -> int:
        """The number of features of a context."""
        return int(self.contexts.shape[1])

    @property
    def rows(self) -> int:
        """The number of rows seen, kept or not."""
        return int(self.seen)

    def update(self, contexts: Floats, arms: Ints, rewards: Floats, weights: Floats | None = None) -> Self:
        """This sample and n more rows."""
        rows = len(contexts)
        # adding 0 turns the other zero, -0.0, into this one: equal numbers need equal bytes
        contexts = finite("contexts", contexts, (rows, self.features)) + 0.0
        rewards = finite("rewards", rewards, (rows,)) + 0.0
        arms = indices("arms", arms, (rows,), self.arms)
        more = replace(
            self,
            contexts=contexts,
            places=arms,
            rewards=rewards,
            weights=row_weights(weights, rows),
            counts=np.ones(rows, dtype=np.int64),
            keys=content_keys(contexts, arms.astype(np.uint64), rewards),
            seen=np.asarray(rows),
        )
        return self.merge(more)

    def merge(self, other: Self) -> Self:
        """The sample of the rows of both. Raises InvalidInputError where arms, features or max_rows
        differ."""
        mine, theirs = (
            {"arms": s.arms, "features": s.features, "max_rows": int(s.max_rows)} for s in (self, other)
        )
        if mine != theirs:
            raise InvalidInputError(f"cannot merge a sample of {mine} with one of {theirs}")
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
        kept = starts[: int(self.max_rows)]
        first = order[kept]
        fields = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("contexts", "places", "rewards", "weights", "counts")
        }
        for name in ("weights", "counts"):
            summed = np.add.reduceat(fields[name][order], starts) if starts.size else fields[name]
            fields[name] = summed[: kept.size]
        for name in ("contexts", "places", "rewards"):
            fields[name] = fields[name][first]
        return replace(self, **fields, keys=keys[first], seen=self.seen + other.seen)

    def sample(self) -> Rows:
        """The rows to fit. Where rows were left out, the largest hash that is kept tells how many: it is the
        share of all hashes below it, and its own row is not part of the sample."""
        partial = self.counts.sum() < self.seen
        use = self.weights > 0
        if partial:
            use[-1] = False
        return Rows(
            contexts=self.contexts[use],
            arms=self.places[use],
            rewards=self.rewards[use],
            weights=self.weights[use],
            scale=1 / float(uniform(self.keys[-1])) if partial else 1.0,
        )


def content_keys(contexts: Floats, arms: Keys, rewards: Floats) -> Keys:
    """A hash of each row's content (n,): contexts (n, d), what stands for the arm (n,), rewards (n,)."""
    return mix(row_keys(contexts), mix(arms, np.ascontiguousarray(rewards).view(np.uint64)))


def row_keys(rows: Floats) -> Keys:
    """A hash of each row's numbers, (n, d) -> (n,); 0.0 and -0.0 are different ones."""
    keys = np.empty(len(rows), dtype=np.uint64)
    columns = np.arange(rows.shape[1], dtype=np.uint64)
    for chunk in row_chunks(len(rows), bytes_per_row=32 * (1 + columns.size)):
        cells = np.ascontiguousarray(rows[chunk]).view(np.uint64)
        keys[chunk] = np.bitwise_xor.reduce(mix(cells, columns), axis=1)
    return keys


def require_max_rows(max_rows: int) -> None:
    """Raise InvalidInputError unless max_rows is at least 2: one row to fit, and one that tells how many were
    left out."""
    if max_rows < 2:
        raise InvalidInputError(f"max_rows must be at least 2, got {max_rows}")
