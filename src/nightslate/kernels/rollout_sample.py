"""A few users of each cause for which shares changed, with all that their rows say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from nightslate.core.allocation.share_sums import Drawn
from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys
from nightslate.core.hashing import lowest
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.lists import place_in
from nightslate.kernels.rollout_causes import CHANGES

OF_EACH = 2
"""Users of a cause."""

_CAUSE, _USER, _ROWS = "cause", "user_id", "rows"
_SCHEMA = pa.schema(
    [
        (_USER, pa.string()),
        (_CAUSE, pa.string()),
        ("moved", pa.bool_()),
        ("context", pa.list_(pa.string())),
        ("variant", pa.string()),
        ("variant_before", pa.string()),
        ("probability", pa.float64()),
        ("since", pa.date32()),
        *((name, pa.list_(pa.float64())) for name in ("shares", "shares_before", "scores")),
    ]
)


@dataclass(frozen=True, eq=False)
class RolloutSample:
    """rows: user_id, cause, moved, context (column and value), variant, variant_before, probability, since,
    and by variant shares, shares_before and scores; those of the lowest keys of each cause."""

    rows: pa.Table | None

    @classmethod
    def initial(cls) -> Self:
        """Of no users."""
        return cls(None)

    def merge(self, other: Self) -> Self:
        """Of the users of both."""
        if self.rows is None or other.rows is None:
            return self if other.rows is None else other
        both = pa.concat_tables([self.rows, other.rows])
        change = place_in(both[_CAUSE], pa.array(CHANGES))
        return type(self)(both.filter(pa.array(_few(user_keys(both), change, both["moved"].to_numpy()))))

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state."""
        if self.rows is None:
            return {_ROWS: np.zeros(0, dtype=np.uint8)}
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.rows.schema) as stream:
            stream.write_table(self.rows)
        return {_ROWS: np.frombuffer(sink.getvalue(), dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        packed = arrays[_ROWS].tobytes()
        return cls(pa.ipc.open_stream(packed).read_all() if packed else None)

    def to_pylist(self) -> list[dict[str, Any]]:
        """The users, those who were moved first, in the order of causes."""
        rows = [] if self.rows is None else self.rows.to_pylist()
        return sorted(rows, key=lambda row: (not row["moved"], CHANGES.index(row[_CAUSE]), row[_USER]))


def sampled(
    variants: Sequence[str],
    assigned: pa.Table,
    contexts: pa.Table,
    drawn: Drawn,
    shares_before: Floats,
    change: Ints,
) -> RolloutSample:
    """Of n users. assigned: their rows; contexts: of those who are there today, by user_id; shares_before:
    (n, k); change (n,): the place of each one's cause."""
    moved = drawn.moved
    chosen = np.flatnonzero(_few(user_keys(assigned), change, moved))
    ids = assigned[_USER].take(pa.array(chosen)).combine_chunks()
    of_context = contexts.take(pa.array(np.flatnonzero(place_in(contexts[_USER], ids) >= 0)))
    known = {row.pop(_USER): row for row in of_context.to_pylist()}
    rows = [
        {
            _USER: row[_USER],
            _CAUSE: CHANGES[change[at]],
            "moved": bool(moved[at]),
            "context": [f"{name} {value}" for name, value in known.get(row[_USER], {}).items() if value],
            "variant": row["variant"],
            "variant_before": variants[drawn.before[at]] if drawn.before[at] >= 0 else None,
            "probability": row["probability"],
            "since": row["since"],
            "shares": drawn.shares[at].tolist(),
            "shares_before": _known(shares_before[at]),
            "scores": _known(drawn.scores[at]),
        }
        for at, row in zip(chosen.tolist(), assigned.take(pa.array(chosen)).to_pylist(), strict=True)
    ]
    return RolloutSample(pa.Table.from_pylist(rows, _SCHEMA))


def _known(numbers: Floats) -> list[float | None]:
    return [None if np.isnan(number) else number for number in numbers.tolist()]


def _few(keys: Keys, change: Ints, moved: Bools) -> Bools:
    """(n,) the users of the lowest keys of each cause, of those who were moved and of the others."""
    found, group = np.zeros(len(keys), dtype=np.bool_), change * 2 + moved
    for each in np.unique(group):
        mine = np.flatnonzero(group == each)
        found[mine] = lowest(keys[mine], OF_EACH)
    return found
