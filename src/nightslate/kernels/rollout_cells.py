"""What shares users have, without cells of few users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nightslate.core.allocation.share_sums import ShareSums
from nightslate.core.experiments.small_cells import merged_values
from nightslate.kernels.named_states import Place
from nightslate.kernels.small_cells import OTHERS

COUNTS = ("apart", "came", "left", "scored", "below")
"""Of a row of the table `rollout_shares`, which count some of its users."""

Row = dict[str, Any]


def without_small_parts(states: Mapping[Place, ShareSums], least: int) -> dict[Place, ShareSums]:
    """The sums by (part, column, value) of which each variant has no user or so many at least: values of a
    column that have fewer stand together; a column of which nothing can be told is not there."""
    if least == 1:
        return dict(states)
    found: dict[Place, ShareSums] = {}
    for column in dict.fromkeys(place[:2] for place in states):
        places = sorted((place for place in states if place[:2] == column), key=repr)
        drawn = np.stack([states[place].drawn for place in places])
        merged = merged_values(drawn, least, np.array([place[2] == OTHERS for place in places]))
        if len(places) > 1 and merged.all():
            continue
        for place, is_merged in zip(places, merged.tolist(), strict=True):
            name = (*column, OTHERS) if is_merged and len(places) > 1 else place
            found[name] = found[name].merge(states[place]) if name in found else states[place]
    return found


def large_counts(rows: Sequence[Row], least: int) -> list[Row]:
    """The rows without counts of few users: where some value of a column and variant has such a count, none
    of them has it, for it would follow from the others. So it is with users who are left after a count."""
    if least == 1:
        return list(rows)
    small = {
        (*_column(row), name)
        for row in rows
        for name in COUNTS
        if any(0 < number < least for number in (row[name], _all_of(row, name) - row[name]))
    }
    return [{**row, **{name: None for name in COUNTS if (*_column(row), name) in small}} for row in rows]


def _column(row: Row) -> tuple[Any, ...]:
    return row["part"], row["segment"], row["variant"]


def _all_of(row: Row, name: str) -> int:
    """Whom a count is of."""
    return int(row["scored"] if name == "below" else row["users"])
