"""A second look at staged slates: all that rows can prove of themselves, recomputed another way."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.lists import codes, items, matrix
from nightslate.kernels.scoring import beside, in_chunks
from nightslate.kernels.slate_ids import slate_ids
from nightslate.kernels.slate_penalties import penalties

TOLERANCE = 1e-12

FAULTS = pa.schema([("fault", pa.string()), ("id", pa.string())])
"""What is wrong, and of which slate or user."""


def faults_of(fault: str, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """`FAULTS` of these slates or users, that all have the same."""
    return pa.table([pa.repeat(fault, len(ids)), ids], schema=FAULTS)


def more_than_once(users: pa.Array) -> pa.Array:
    counted = users.value_counts()
    return counted.field("values").filter(pc.greater(counted.field("counts"), 1))


def faults(
    slates: pa.Table,
    users: pa.Table,
    program: str,
    slate_date: date,
    floor: float,
    depth: int,
    assignment: Assignment,
    external: Collection[str] = (),
) -> pa.Table:
    """`FAULTS`, by slate_id or user_id, of each thing that is wrong with the slates; none if sound.

    `slates`: all of some users. `users`: the users of the day among these, by `user_id`; where one issue is
    drawn for each, with `issue_probability`. `external`: the variants whose users get no slates."""
    lengths, people = pc.list_value_length(slates["candidates"]), users["user_id"].combine_chunks()
    of_length = pc.unique(lengths).to_pylist()
    alike = (
        slates.filter(pc.equal(lengths, length)) if len(of_length) > 1 else slates for length in of_length
    )
    found = [_row_faults(rows, floor, depth) for part in alike for rows in in_chunks(part)]
    forged = pc.not_equal(slates["slate_id"], pa.chunked_array([slate_ids(slates, program, slate_date)]))
    per_user = slates.group_by(["user_id", "issue"]).aggregate([([], "count_all")])
    served = slates["user_id"].combine_chunks()
    others = people.filter(pa.array(_of_variants(users, assignment, external)))
    for text, ids in {
        "slate_id is not the hash of its row": slates["slate_id"].filter(forged),
        "a user has more than one slate": per_user["user_id"].filter(pc.greater(per_user["count_all"], 1)),
        "a user of the day has no slate": people.filter(
            pc.invert(pc.is_in(people, pa.concat_arrays([served, others])))
        ),
        "a slate is for a user whom somebody else decides for": slates["slate_id"].filter(
            pc.is_in(served, others)
        ),
        "a slate is of another variant than its user is in": slates["slate_id"].filter(
            pa.array(_in_another_variant(slates, assignment))
        ),
        "issue_probability is not the one drawn for its user": slates["slate_id"].filter(
            pa.array(_otherwise_drawn(slates, users))
        ),
        "a slate is for nobody of the day": slates["slate_id"].filter(pc.invert(pc.is_in(served, people))),
    }.items():
        found.append(faults_of(text, ids))
    return pa.concat_tables([FAULTS.empty_table(), *found])


def _in_another_variant(slates: pa.Table, assignment: Assignment) -> Bools:
    """(n,) by the definition, segment by segment: none that has the slate's variant holds the user's draw."""
    draws, of_slate = assignment.draws(user_keys(slates)), slates["variant"].to_numpy()
    right = np.zeros(len(draws), dtype=np.bool_)
    for segment in assignment.segments:
        right |= (segment.lower <= draws) & (draws < segment.upper) & (of_slate == segment.variant)
    return ~right


def _of_variants(users: pa.Table, assignment: Assignment, variants: Collection[str]) -> Bools:
    """(n,) the users who are in any of some variants, segment by segment."""
    found = np.zeros(users.num_rows, dtype=np.bool_)
    for segment in assignment.segments:
        if segment.variant in variants:
            draws = assignment.draws(user_keys(users))
            found |= (segment.lower <= draws) & (draws < segment.upper)
    return found


def _otherwise_drawn(slates: pa.Table, users: pa.Table) -> Bools:
    """(n,) whether a slate's issue has another probability than its user had for it; null is no draw."""
    of_user = beside(users, "issue_probability", pa.float64()).take(
        pc.index_in(slates["user_id"], users["user_id"].combine_chunks()).combine_chunks()
    )
    drawn, said = (pc.fill_null(values, 0.0).to_numpy() for values in (of_user, slates["issue_probability"]))
    return np.asarray(drawn != said, dtype=np.bool_)


def _row_faults(rows: pa.Table, floor: float, depth: int) -> pa.Table:
    """Faults of rows that all have the same number of candidates."""
    arm_ids = pc.unique(items(rows["candidates"]))
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
        place_of = np.full((n, len(arm_ids) + 1), -1)  # of an arm among the row's candidates
        np.put_along_axis(place_of, candidates, np.arange(arms)[None, :], axis=1)
        place = np.take_along_axis(place_of, ranking, axis=1)
        known = place >= 0
        with np.errstate(invalid="ignore", divide="ignore"):
            penalised = rows["penalty"].null_count < n
            expected = recomputed(weights, place, penalties(rows, arms) if penalised else None)
            wrong = np.abs(propensities / expected - 1) > TOLERANCE
            low = weights < floor / arms
        found += [
            ("a candidate stands twice", (place_of >= 0).sum(axis=1) < arms),
            ("a weight is under the floor or not a number", (low | ~np.isfinite(weights)).any(axis=1)),
            ("an arm is ranked twice", _has_twice(ranking)),
            ("an arm is ranked that is no candidate", ~known.all(axis=1)),
            (
                "a propensity is not the one its weights give",
                (wrong | ~np.isfinite(propensities)).any(axis=1),
            ),
        ]
    ids = rows["slate_id"].combine_chunks()
    parts = [faults_of(text, ids.filter(pa.array(broken))) for text, broken in found]
    return pa.concat_tables(parts)


def recomputed(weights: Floats, place: Ints, diversity: tuple[Floats, Ints] | None) -> Floats:
    """(n, depth) the conditional propensities of ranked arms by the definition, slot by slot: the arm's share
    of what is left. weights (n, A); place (n, depth): of ranked arms among these; diversity: the penalty (n,)
    and the groups (n, A), where there is one."""
    left, shares = weights.copy(), np.empty(place.shape)
    for slot in range(place.shape[1]):
        at = place[:, [slot]]
        shares[:, slot] = (np.take_along_axis(left, at, axis=1) / left.sum(axis=1, keepdims=True))[:, 0]
        if diversity:
            penalty, groups = diversity
            same = (groups == np.take_along_axis(groups, at, axis=1)) & (groups >= 0)
            left *= np.where(same, penalty[:, None], 1.0)
        np.put_along_axis(left, at, 0.0, axis=1)
    return shares


def _has_twice(ids: Ints) -> Bools:
    ordered = np.sort(ids, axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
