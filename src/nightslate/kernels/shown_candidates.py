"""The arms that an impression could have been of, where its slate had some of the arms on offer alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.kernels.lists import place_in


def with_candidates(rows: pa.Table, slates: pa.Table) -> pa.Table:
    """The accepted rows that name a slate, with `eligible_arms`: the candidates of the slate, of those that
    the row says, if it says any. The others as they are. Whoever weighs a policy on a row needs to know what
    it could have shown. slates: each once."""
    slate = pc.index_in(rows["slate_id"], slates["slate_id"].combine_chunks()).combine_chunks()
    lists = slates["candidates"].combine_chunks().take(slate)
    said = rows["eligible_arms"].combine_chunks()
    ids = pc.unique(pc.list_flatten(lists))
    among = np.isin(_cells(lists, ids), _cells(said, ids))
    row = pc.list_parent_indices(lists).to_numpy()
    kept = pa.array(among | said.is_null().to_numpy(zero_copy_only=False)[row])
    marks = np.bincount(row[kept.to_numpy(zero_copy_only=False)], minlength=rows.num_rows)
    offsets = pa.array(np.append(0, np.cumsum(marks)).astype(np.int32))
    found = pa.ListArray.from_arrays(offsets, pc.list_flatten(lists).filter(kept).cast(pa.string()))
    filled = pc.and_(rows["_reason"].is_null(), slate.is_valid())
    at, column = rows.schema.get_field_index("eligible_arms"), rows.schema.field("eligible_arms")
    return rows.set_column(at, column, pc.if_else(filled, found.cast(column.type), said))


def _cells(lists: pa.Array, ids: pa.Array) -> Ints:
    """(m,) a number for each row and arm of its list, -1 for arms that are not among the ids."""
    row, place = pc.list_parent_indices(lists).to_numpy(), place_in(pc.list_flatten(lists), ids)
    return np.where(place < 0, -1, row * max(len(ids), 1) + place)
