"""How often slates show each arm in their first slot: by what they store, and by what was drawn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.lists import place_in

TOTALS = pa.schema([("arm_id", pa.string()), ("expected", pa.float64()), ("shown", pa.int64())])


def first_slot_totals(slates: pa.Table) -> pa.Table:
    """`TOTALS` of some slates: each arm's share of the weights, and how many rankings begin with it."""
    candidates = pc.list_flatten(slates["candidates"])
    arms = pc.unique(candidates)
    arms = arms.dictionary_decode() if pa.types.is_dictionary(arms.type) else arms
    row = pc.list_parent_indices(slates["weights"].combine_chunks()).to_numpy()
    weights = pc.list_flatten(slates["weights"]).to_numpy().astype(np.float64)
    shares = weights / np.bincount(row, weights, minlength=slates.num_rows)[row]
    expected = np.bincount(place_in(candidates, arms), shares, minlength=len(arms))
    first = pc.list_element(slates["ranking"], 0)
    shown = np.bincount(place_in(first, arms), minlength=len(arms))
    return pa.table([arms, pa.array(expected), pa.array(shown)], schema=TOTALS)
