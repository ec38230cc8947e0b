"""Which users get an arm of a budget in their one slot, so that as many do as are expected to: each unit of
users plays for groups of arms along an order of hashes, and what units leave open is settled together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Keys
from nightslate.core.hashing import mix, seed
from nightslate.core.policies.dependent_rounding import open_rows, played, settled
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.first_groups import FirstGroups, Groups, numbers_of
from nightslate.kernels.lists import matrix, place_in
from nightslate.kernels.scoring import Scoring, groups_of, in_chunks

OPEN = pa.schema([("user_id", pa.string()), ("chances", pa.list_(pa.float64()))])
"""A user whose group is open yet, and the chance of each group."""

SETTLED = pa.schema([("user_id", pa.string()), ("group", pa.int64())])


def left_open(choices: pa.Table, scoring: Scoring, groups: Groups) -> pa.Table:
    """`OPEN` of the few users of a unit whose group does not follow from the unit alone."""
    chances = _played(choices, scoring, groups)
    users = choices["user_id"].filter(pa.array(open_rows(chances)))
    chances = chances[open_rows(chances)]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(chances.ravel()), chances.shape[1])
    return pa.table([users, lists.cast(OPEN.field("chances").type)], schema=OPEN)


def settle(left: pa.Table, scoring: Scoring, groups: Groups) -> pa.Table:
    """`SETTLED` of the users that all units, one after another, leave open."""
    chances = matrix(left["chances"]).reshape(left.num_rows, len(groups) + 1)
    drawn = settled(chances, _keys(left, scoring), _seed(scoring, "settled"))
    return pa.table([left["user_id"], pa.array(drawn)], schema=SETTLED)


def slates(choices: pa.Table, scoring: Scoring, groups: Groups, of_open: pa.Table) -> Iterator[pa.Table]:
    """`SLATES` of all users of a unit, some thousands at a time. of_open: `SETTLED` of those left open."""
    drawn, done = _played(choices, scoring, groups).argmax(axis=1), 0
    at = place_in(choices["user_id"], of_open["user_id"].combine_chunks())
    drawn[at >= 0] = of_open["group"].to_numpy()[at[at >= 0]]
    first_groups = FirstGroups(groups, drawn)
    for chunk in in_chunks(choices):
        yield scoring.slates(chunk, first_groups.take(np.arange(done, done + chunk.num_rows)))
        done += chunk.num_rows


def _played(choices: pa.Table, scoring: Scoring, groups: Groups) -> Floats:
    """(n, groups + 1) what the games of a unit make of the chances of its users, in the order of the rows."""
    if not choices.num_rows:
        return np.zeros((0, len(groups) + 1))
    keys = _keys(choices, scoring)
    order = np.argsort(keys, kind="stable")
    left = np.empty((choices.num_rows, len(groups) + 1))
    chances = first_chances(choices, scoring, groups)
    left[order] = played(chances[order], keys[order], _seed(scoring, "played"))
    return left


def first_chances(choices: pa.Table, scoring: Scoring, groups: Groups) -> Floats:
    """(n, groups + 1) the probability that each user's ranking begins with an arm of each group, or of none,
    by the weights that are stored."""
    chances, done = np.zeros((choices.num_rows, len(groups) + 1)), 0
    for chunk in in_chunks(choices):
        for alike, places in groups_of(chunk):
            weights = scoring.weights(alike, chunk.take(pa.array(places))).astype(np.float64)
            of_arm = numbers_of(groups, scoring.model(alike).arms)
            for number in range(len(groups) + 1):
                chances[done + places, number] = weights[:, of_arm == number].sum(axis=1)
        done += chunk.num_rows
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _keys(rows: pa.Table, scoring: Scoring) -> Keys:
    """(n,) of users, other ones each night."""
    return mix(user_keys(rows), _seed(scoring, "order")) if rows.num_rows else np.zeros(0, dtype=np.uint64)


def _seed(scoring: Scoring, purpose: str) -> int:
    return seed(scoring.program, scoring.issue, scoring.slate_date.isoformat(), "budgets", purpose)
