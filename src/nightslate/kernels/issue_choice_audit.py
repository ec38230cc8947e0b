"""A second look at which issue each user got: all that rows can prove of themselves, recomputed another way,
and held against the slates of all issues."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats
from nightslate.kernels.audit import FAULTS, TOLERANCE, faults_of, more_than_once
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.issue_choices import draws
from nightslate.kernels.lists import place_in

_LISTS = ("issues", "probabilities", "gains")


def choice_faults(
    choices: pa.Table,
    concerned: Mapping[str, pa.Table],
    slates: pa.Table,
    program: str,
    slate_date: date,
    floor: float,
) -> pa.Table:
    """`FAULTS`, by user_id, of each thing that is wrong; none if sound. Of some users all of them.

    `choices`: `ISSUE_CHOICES`. `concerned`: by issue the users whom it concerns. `slates`: user_id and issue
    of those of all issues."""
    users, served = choices["user_id"].combine_chunks(), slates["user_id"].combine_chunks()
    lengths = [pc.list_value_length(choices[name]).to_numpy() for name in _LISTS]
    uneven = (lengths[0] != lengths[1]) | (lengths[0] != lengths[2])
    people = [of["user_id"].combine_chunks() for of in concerned.values()]
    everyone = pc.unique(pa.concat_arrays(people))
    of_user = pc.index_in(served, users)
    as_drawn = pc.fill_null(pc.equal(choices["issue"].take(of_user), slates["issue"]), False)
    found = {
        "issues, probabilities or gains have the wrong length": users.filter(pa.array(uneven)),
        "a user has more than one issue": more_than_once(users),
        "a user whom an issue concerns got none": everyone.filter(pc.invert(pc.is_in(everyone, users))),
        "a user has slates of more than one issue": more_than_once(served),
        "a slate is of another issue than was drawn for its user": served.filter(pc.invert(as_drawn)),
    }
    if not uneven.any():
        found |= _row_faults(choices, concerned, program, slate_date, floor)
    return pa.concat_tables([FAULTS.empty_table(), *(faults_of(*each) for each in found.items())])


def _row_faults(
    choices: pa.Table, concerned: Mapping[str, pa.Table], program: str, slate_date: date, floor: float
) -> dict[str, pa.Array]:
    """By fault the users of rows that have it. (n, k) over all issues by name is what rows say of each."""
    names, users, n = sorted(concerned), choices["user_id"].combine_chunks(), choices.num_rows
    known = pa.array(names, pa.string())
    lists = choices["issues"].combine_chunks()
    row, column = pc.list_parent_indices(lists).to_numpy(), place_in(pc.list_flatten(lists), known)
    listed, due = np.zeros((n, len(names)), dtype=np.bool_), np.zeros((n, len(names)), dtype=np.bool_)
    chances, gains = np.zeros(listed.shape), np.zeros(listed.shape)
    there = column >= 0
    at = row[there], column[there]
    listed[at] = True
    for name, matrix in {"probabilities": chances, "gains": gains}.items():
        matrix[at] = pc.list_flatten(choices[name]).to_numpy(zero_copy_only=False)[there]
    for place, name in enumerate(names):
        due[:, place] = pc.is_in(users, concerned[name]["user_id"].combine_chunks()).to_numpy(False)
    turned = (row[1:] == row[:-1]) & (column[1:] <= column[:-1])
    misnamed = np.isin(np.arange(n), np.append(row[~there], row[1:][turned]))
    own = place_in(choices["issue"], known)
    reach = np.column_stack([np.zeros(n), *(chances[:, : k + 1].sum(axis=1) for k in range(len(names)))])
    draw, each = draws(user_keys(choices), program, slate_date), np.arange(n)
    drawn = (reach[each, own] - TOLERANCE <= draw) & (draw <= reach[each, own + 1] + TOLERANCE) & (own >= 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = listed & ~(np.abs(chances / _recomputed(gains, listed, floor) - 1) <= TOLERANCE)
    found = {
        "issues are not those that concern the user, by name": misnamed | (listed != due).any(axis=1),
        "a gain is negative or infinite": (listed & ((gains < 0) | np.isinf(gains))).any(axis=1),
        "a probability is not the one its gains give": wrong.any(axis=1),
        "the issue is not the one its hash draws": ~drawn,
        "probability is not that of the issue": choices["probability"].to_numpy() != chances[each, own],
    }
    return {text: users.filter(pa.array(broken)) for text, broken in found.items()}


def _recomputed(gains: Floats, listed: Bools, floor: float) -> Floats:
    """(n, k) the probabilities by the definition, user by user alike: those of one issue, of issues none of
    which gains or one of whose gains (n, k) is not known, and of all others."""
    of_user, total = np.zeros(len(gains)), np.zeros(len(gains))
    for issue in range(gains.shape[1]):
        of_user += listed[:, issue]
        total += np.where(listed[:, issue], gains[:, issue], 0.0)  # NaN where one is not known
    even = np.repeat(1.0 / of_user[:, None], gains.shape[1], axis=1)
    shares = gains / total[:, None]
    by_gain = (total > 0) & (of_user > 1)
    return np.where(by_gain[:, None], floor * even + (1.0 - floor) * shares, even)
