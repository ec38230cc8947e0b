"""Who is in which variant where somebody else says so: the logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.assignments import ASSIGNMENTS, OF_CONTEXTS
from nightslate.kernels.lists import place_in
from nightslate.kernels.ordering import order_by

READ = ("user_id", "occurred_at", "impression_id", "variant")
"""What is read of impressions: the first of a user's comes first in their order."""

UNKNOWN = pa.schema([("variant", pa.string()), ("impressions", pa.int64())])


def logged_assignments(
    impressions: pa.Table, issue: str, salt: str, shares: Mapping[str, float], day: date
) -> pa.Table:
    """`ASSIGNMENTS` of the users of a day's impressions, in the order of their ids. A user is in the variant
    of the first impression that names one of the experiment's. shares: of each of these by name, which is the
    probability of the assignment."""
    variants = pa.array(sorted(shares), pa.string())
    theirs = impressions.filter(pc.is_in(impressions["variant"], variants))
    theirs = theirs.take(order_by(theirs, READ[:-1])).combine_chunks()
    _, first = np.unique(place_in(theirs["user_id"], pc.unique(theirs["user_id"])), return_index=True)
    users = theirs.take(pa.array(first))
    probabilities = pa.array([shares[name] for name in variants.to_pylist()], pa.float64())
    same = {"issue": issue, "experiment": salt, "since": pa.scalar(day, pa.date32()), "reason": "logged"}
    columns = {
        **{name: pa.repeat(value, users.num_rows) for name, value in same.items()},
        "user_id": users["user_id"],
        "variant": users["variant"],
        "probability": probabilities.take(pc.index_in(users["variant"], variants)),
        **{name: pa.nulls(users.num_rows, ASSIGNMENTS.field(name).type) for name in OF_CONTEXTS},
    }
    return pa.table([columns[name] for name in ASSIGNMENTS.names], schema=ASSIGNMENTS)


def of_unknown_variants(impressions: pa.Table, shares: Mapping[str, float]) -> pa.Table:
    """`UNKNOWN`: how many impressions name each variant that the experiment has not; null of those that name
    none."""
    known = pc.is_in(impressions["variant"], pa.array(sorted(shares), pa.string()))
    counts = impressions.filter(pc.invert(known)).group_by("variant").aggregate([([], "count_all")])
    return pa.table([counts["variant"], counts["count_all"]], schema=UNKNOWN)
