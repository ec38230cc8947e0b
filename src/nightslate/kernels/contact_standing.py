"""Where users stand with contact rules, and those to whom nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools, Ints

WITHHELD = arrow.types(load("withheld").file_columns)


@dataclass(frozen=True, eq=False)
class Standing:
    """Of n users: by issue the channels that reach each of those whom it is for; contacts within each limit's
    period (n, limits); contacts that are still to come, slates of the day, and those of them that may be a
    contact (n,); whether a transactional channel reaches the user; and the first limit that is exceeded (n,),
    -1 for none, without and with what is to come."""

    bits: Sequence[Ints]
    within: Ints
    coming: Ints
    slates: Ints
    may_count: Ints
    transactional: Bools
    exceeded: Ints
    with_coming: Ints


def withheld_by_caps(closed: pa.Table) -> pa.Table:
    """`WITHHELD` of users to whom everything is closed (`CAPPED`), each by the first row that says so."""
    numbered = closed.append_column("_row", pa.array(np.arange(closed.num_rows))).group_by("user_id")
    rows = closed.take(numbered.aggregate([("_row", "min")])["_row_min"].combine_chunks())
    columns = {
        **{name: rows[name] for name in ("user_id", "contacts", "slates", "most", "period")},
        "reason": pa.repeat("limit", rows.num_rows),
        "pending": pa.array(np.zeros(rows.num_rows, dtype=np.int64)),
        "probability": pa.nulls(rows.num_rows, pa.float64()),
    }
    return pa.table([columns[name] for name in WITHHELD.names], schema=WITHHELD)
