"""A second look at staged slates: all that a row can prove of itself, recomputed another way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.frames.lists import codes, matrix
from nightslate.frames.scoring import slate_id

TOLERANCE = 1e-12

_FAULTS = pa.schema([("fault", pa.string()), ("slate_id", pa.string())])


def faults(
    slates: DataFrame, users: DataFrame, program: str, slate_date: date, floor: float, depth: int
) -> DataFrame:
    """One row (fault, slate_id or user_id) for each thing that is wrong with the slates; none if sound."""

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for length in pc.unique(pc.list_value_length(batch["candidates"])).to_pylist():
                alike = pc.equal(pc.list_value_length(batch["candidates"]), length)
                yield from _row_faults(
                    pa.Table.from_batches([batch]).filter(alike), floor, depth
                ).to_batches()

    by_row = slates.mapInArrow(kernel, "fault string, slate_id string")
    forged = slates.where(F.col("slate_id") != slate_id(program, slate_date))
    per_user = slates.groupBy("user_id", "issue").count().where("count > 1")
    unserved = users.join(slates, "user_id", "left_anti")
    strangers = slates.join(users, "user_id", "left_anti")
    return (
        by_row.unionByName(
            forged.select(F.lit("slate_id is not the hash of its row").alias("fault"), "slate_id")
        )
        .union(per_user.select(F.lit("a user has more than one slate"), "user_id"))
        .union(unserved.select(F.lit("a user of the day has no slate"), "user_id"))
        .union(strangers.select(F.lit("a slate is for nobody of the day"), "slate_id"))
    )


def _row_faults(rows: pa.Table, floor: float, depth: int) -> pa.Table:
    """Faults of rows that all have the same number of candidates."""
    arm_ids = pc.unique(pc.list_flatten(rows["candidates"]))
    candidates = codes(rows["candidates"], arm_ids)
    n, arms = candidates.shape
    ranked = min(depth, arms)
    uneven = np.full(n, ranked == 0)
    for name, length in {"weights": arms, "ranking": ranked, "propensities": ranked}.items():
        uneven |= pc.list_value_length(rows[name]).to_numpy() != length
    grouped = pc.fill_null(pc.list_value_length(rows["groups"]), -1).to_numpy()
    ungrouped = grouped != np.where(rows["penalty"].is_valid().to_numpy(), arms, -1)
    found = [
        ("weights, ranking or propensities have the wrong length", uneven),
        ("a penalty without a group for each candidate, or groups without a penalty", ungrouped),
    ]
    if not (uneven | ungrouped).any():
        weights = matrix(rows["weights"]).astype(np.float64)
        ranking, propensities = codes(rows["ranking"], arm_ids), matrix(rows["propensities"])
        place = (ranking[:, :, None] == candidates[:, None, :]).argmax(axis=2)
        known = np.take_along_axis(candidates, place, axis=1) == ranking
        with np.errstate(invalid="ignore"):
            expected = _recomputed(weights, place, *_penalties(rows, arms))
            wrong = np.abs(propensities / expected - 1) > TOLERANCE
            low = weights < floor / arms
        found += [
            ("a candidate stands twice", _has_twice(candidates)),
            ("a weight is under the floor or not a number", (low | ~np.isfinite(weights)).any(axis=1)),
            ("an arm is ranked twice", _has_twice(ranking)),
            ("an arm is ranked that is no candidate", ~known.all(axis=1)),
            (
                "a propensity is not the one its weights give",
                (wrong | ~np.isfinite(propensities)).any(axis=1),
            ),
        ]
    ids = rows["slate_id"].combine_chunks()
    parts = [
        pa.table(
            {"fault": [text] * int(broken.sum()), "slate_id": ids.filter(pa.array(broken))}, schema=_FAULTS
        )
        for text, broken in found
    ]
    return pa.concat_tables(parts)


def _penalties(rows: pa.Table, arms: int) -> tuple[Floats, Ints]:
    """(n,) what an arm before does to the others of its group, 1 without a penalty; (n, arms) the group of
    each candidate, -1 for none."""
    penalised = rows["penalty"].is_valid().to_numpy()
    names = pc.unique(pc.list_flatten(rows["groups"])).drop_null()
    groups = np.full((len(penalised), arms), -1)
    if penalised.any():
        groups[penalised] = codes(rows["groups"].filter(pa.array(penalised)), names)
    groups[groups == len(names)] = -1
    return pc.fill_null(rows["penalty"], 1.0).to_numpy(), groups


def _recomputed(weights: Floats, place: Ints, penalty: Floats, groups: Ints) -> Floats:
    """The conditional propensities by the definition, slot by slot: the arm's share of what is left."""
    left, shares = weights.copy(), np.empty(place.shape)
    for slot in range(place.shape[1]):
        at = place[:, [slot]]
        shares[:, slot] = (np.take_along_axis(left, at, axis=1) / left.sum(axis=1, keepdims=True))[:, 0]
        same = (groups == np.take_along_axis(groups, at, axis=1)) & (groups >= 0)
        left *= np.where(same, penalty[:, None], 1.0)
        np.put_along_axis(left, at, 0.0, axis=1)
    return shares


def _has_twice(ids: Ints) -> Bools:
    ordered = np.sort(ids, axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
