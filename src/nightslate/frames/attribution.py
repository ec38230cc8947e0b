"""A bucket's outcomes of a day to its impressions before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints
from nightslate.core.attribution import last_touch
from nightslate.frames.days import microseconds

IMPRESSION_COLUMNS = ("impression_id", "user_id", "arm_id", "slot", "occurred_at")
OUTCOME_COLUMNS = ("outcome_id", "user_id", "occurred_at", "kind", "value", "arm_id", "impression_id")

CREDITS = pa.schema(
    [
        ("bucket", pa.int32()),
        ("impression_id", pa.string()),
        ("outcome_id", pa.string()),
        ("kind", pa.string()),
        ("credit", pa.float64()),
        ("value", pa.float64()),
        ("lag_seconds", pa.float64()),
        ("rule", pa.string()),
    ]
)


def attribute_bucket(
    bucket: int, tables: Mapping[str, pa.Table], values: Mapping[str, float], window: timedelta
) -> Iterator[pa.RecordBatch]:
    """The credits of a bucket's `outcomes` among its `impressions`, by last touch within the window.

    An outcome that names its impression is credited to that one, if it is in the window; one that does not,
    to the user's latest impression at or before it (of the arm it names, if it names one). Impressions of the
    same moment are ordered by slot, then by id: the last of them is the latest. `values`: the worth of an
    outcome by kind, times its own value; kinds that the program does not value get no credit.
    """
    impressions, outcomes = tables["impressions"], tables["outcomes"]
    outcomes = outcomes.filter(pc.is_in(outcomes["kind"], pa.array(list(values), pa.string())))
    if not impressions.num_rows or not outcomes.num_rows:
        return
    named = _named(impressions, outcomes, microseconds(window))
    touched = _touched(impressions, outcomes, microseconds(window))
    source = np.where(pc.is_valid(outcomes["impression_id"]).to_numpy(), named, touched)
    credited = np.flatnonzero(source >= 0)
    outcomes, impressions = outcomes.take(credited), impressions.take(source[credited])
    worth = np.array([values[kind] for kind in outcomes["kind"].to_pylist()], dtype=np.float64)
    value = worth * outcomes["value"].to_numpy()
    lag = _time(outcomes) - _time(impressions)
    yield from pa.table(
        {
            "bucket": np.full(len(credited), bucket, dtype=np.int32),
            "impression_id": impressions["impression_id"],
            "outcome_id": outcomes["outcome_id"],
            "kind": outcomes["kind"],
            "credit": value,
            "value": value,
            "lag_seconds": lag / 1e6,
            "rule": ["last_touch"] * len(credited),
        },
        schema=CREDITS,
    ).to_batches()


def _named(impressions: pa.Table, outcomes: pa.Table, window: int) -> Ints:
    """Places of the impressions that outcomes name; -1 where that is none, another user's, or too old."""
    place = pc.index_in(outcomes["impression_id"], impressions["impression_id"].combine_chunks())
    place = pc.fill_null(place, -1).to_numpy().astype(np.int64)
    lag = _time(outcomes) - _time(impressions)[place]
    same_user = pc.equal(outcomes["user_id"], impressions["user_id"].take(np.maximum(place, 0))).to_numpy()
    return np.where((place >= 0) & same_user & (lag >= 0) & (lag <= window), place, -1)


def _touched(impressions: pa.Table, outcomes: pa.Table, window: int) -> Ints:
    """Places of the latest impressions before outcomes, of the same user and, where one is named, arm."""
    users = pc.unique(impressions["user_id"])
    arms = pc.unique(impressions["arm_id"])
    order = np.empty(impressions.num_rows, dtype=np.int64)
    in_order = pc.sort_indices(impressions, [("slot", "ascending"), ("impression_id", "ascending")])
    order[in_order.to_numpy()] = np.arange(impressions.num_rows)
    unknown = len(arms)  # an arm that nobody was shown matches nothing; no arm named matches any
    outcome_arm = pc.fill_null(pc.index_in(outcomes["arm_id"], arms), unknown)
    outcome_arm = pc.if_else(pc.is_valid(outcomes["arm_id"]), outcome_arm, -1)
    return last_touch(
        impression_user=_codes(impressions["user_id"], users),
        impression_arm=_codes(impressions["arm_id"], arms),
        impression_time=_time(impressions),
        impression_order=order,
        outcome_user=_codes(outcomes["user_id"], users),
        outcome_arm=np.asarray(outcome_arm, dtype=np.int64),
        outcome_time=_time(outcomes),
        window_us=window,
    )


def _codes(ids: pa.ChunkedArray, known: pa.Array) -> Ints:
    """Each id's place among the known ones; one past the last for the others."""
    return np.asarray(pc.fill_null(pc.index_in(ids, known), len(known)), dtype=np.int64)


def _time(rows: pa.Table) -> Ints:
    """occurred_at in microseconds."""
    return np.asarray(rows["occurred_at"].cast(pa.int64()), dtype=np.int64)
