"""What became of the outcomes of some users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from itertools import chain

import pyarrow as pa

from nightslate.kernels.attribution import CREDITS, UNATTRIBUTED, Attributor
from nightslate.records.overlap import Overlap

_OVERLAP = pa.schema([(field.name, pa.int64()) for field in fields(Overlap)])


def attributed(how: Attributor, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The rows of `credits` and of `unattributed`: each outcome is in one of them. tables: `impressions`, of
    which those of users with outcomes are wanted, and `outcomes`."""
    if not tables["outcomes"].num_rows:
        return {"credits": CREDITS.empty_table(), "unattributed": UNATTRIBUTED.empty_table()}
    found = how.attribute(tables["impressions"], tables["outcomes"])
    credited = pa.concat_tables(chain([CREDITS.empty_table()], found.credits()))
    return {"credits": credited, "unattributed": found.unattributed}


def known_keys(tables: Mapping[str, pa.Table]) -> pa.Table:
    """How many outcomes have keys that the impressions have too: the sums of an `Overlap` as a row."""
    found = Overlap.of(tables["impressions"], tables["outcomes"])
    return pa.Table.from_pylist([asdict(found)], _OVERLAP)
