"""Which users get an arm of a budget in their one slot: drawn along an order of hashes, by `core`'s
`systematic`. Who gets one of the first group is drawn first, then who of the others one of the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import mix, seed
from nightslate.core.policies.systematic import selected, total_length
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.first_groups import FirstGroups, Groups, numbers_of
from nightslate.kernels.scoring import Scoring, in_chunks, variants_of


def starts(scoring: Scoring, groups: Groups) -> list[int]:
    """Of each group's comb: a hash, which is the same whenever the night is scored again."""
    night = scoring.program, scoring.issue, scoring.slate_date.isoformat(), "systematic"
    return [seed(*night, str(number)) for number in range(len(groups))]


def length_of_next(choices: pa.Table, scoring: Scoring, groups: Groups, begins: Sequence[int]) -> int:
    """How long these users' probabilities are together, in the group after those that have a begin already:
    see `total_length`."""
    _, shares = _in_order(choices, scoring, groups)
    open_to = np.ones(len(shares), dtype=np.bool_)
    for number, begin in enumerate(begins):
        open_to &= ~selected(_conditional(shares, number, open_to), begin)
    return total_length(_conditional(shares, len(begins), open_to))


def slates(choices: pa.Table, scoring: Scoring, groups: Groups, begins: Sequence[int]) -> Iterator[pa.Table]:
    """`SLATES` of all users of a unit, some thousands at a time. begins: where its users begin on the line of
    each group."""
    drawn, done = _drawn(choices, scoring, groups, begins), 0
    for chunk in in_chunks(choices):
        yield scoring.slates(chunk, drawn.take(np.arange(done, done + chunk.num_rows)))
        done += chunk.num_rows


def _drawn(choices: pa.Table, scoring: Scoring, groups: Groups, begins: Sequence[int]) -> FirstGroups:
    order, shares = _in_order(choices, scoring, groups)
    drawn = np.full(len(shares), len(groups))
    for number, begin in enumerate(begins):
        open_to = drawn == len(groups)
        drawn[selected(_conditional(shares, number, open_to), begin)] = number
    of_user = np.empty_like(drawn)
    of_user[order] = drawn
    return FirstGroups(groups, of_user)


def _in_order(choices: pa.Table, scoring: Scoring, groups: Groups) -> tuple[Ints, Floats]:
    """An order of these users (n,) that is a hash of the night's, and in it each one's weight of each group
    and of all other arms (n, groups + 1)."""
    night = seed(scoring.program, scoring.issue, scoring.slate_date.isoformat(), "order")
    order = np.argsort(mix(user_keys(choices), night), kind="stable")
    shares = np.zeros((choices.num_rows, len(groups) + 1))
    done = 0
    for chunk in in_chunks(choices):
        for variant, places in variants_of(chunk):
            weights = scoring.weights(variant, chunk.take(pa.array(places))).astype(np.float64)
            numbers = numbers_of(groups, scoring.variants[variant].arms)
            for number in range(len(groups) + 1):
                shares[done + places, number] = weights[:, numbers == number].sum(axis=1)
        done += chunk.num_rows
    return order, shares[order]


def _conditional(shares: Floats, number: int, open_to: Bools) -> Floats:
    """(n,) the probability of the group, of those users that no group before has; 0 of the others."""
    left = shares[:, number:].sum(axis=1)
    return np.where(open_to & (left > 0), shares[:, number] / np.where(left > 0, left, 1.0), 0.0)
