"""Propensities of slates with a diversity penalty, of which arms were dropped before they were shown.

The ranking was drawn from all candidates, so an arm that was dropped may have been ranked anywhere, and from
there on others of its group were less likely. What is left is a sum over where the dropped arms were. What
comes next depends on which of them were ranked by now, not on their order: a state is a set R of them, and

    visit[R] = entered[R] + sum over d in R of visit[R - d] * rate(d | R - d) / total(R - d)
    entered'[R] = visit[R] * rate(shown arm | R) / total(R)

give the probability that a ranking passes through R between two arms that are shown, and on to the next.
There are 2 ** (dropped arms) sets, where rankings are as many as orders. All terms are positive, so nothing
cancels."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.plackett_luce import checked_rankings, restrict

MOST_DROPPED = 10
"""Arms of a slate that may be dropped: with each more a row takes twice as long."""


def propensities_after_drops(
    weights: NDArray[np.floating],
    penalties: Floats,
    groups: Ints,
    shown: Ints,
    eligible: Bools,
    depths: Ints,
) -> Floats:
    """(n, slots): the probability of each arm shown in its slot, given the slots before it and that the slot
    is filled: the first arms that are eligible, of rankings of `depths` (n,) arms, drawn from all.

    weights (n, A): of all candidates, those that were dropped as well; penalties (n,) in (0, 1]; groups
    (n, A), negative for an arm of no group; shown (n, slots): places of arms; eligible (n, A): those that
    were not dropped. With none dropped these are the propensities as drawn, and with a penalty of 1 those of
    Plackett-Luce. Raises InvalidInputError where more than `MOST_DROPPED` arms are dropped, where a slate
    shows an arm twice or one that is not eligible, and where it shows more arms than were ranked."""
    kept = restrict(weights)
    shown, _ = checked_rankings(np.where(eligible, kept, 0.0), shown)
    if groups.shape != kept.shape or penalties.shape != kept.shape[:1]:
        raise InvalidInputError(
            f"{kept.shape} weights need as many groups and a penalty a row, got {groups.shape}"
            f" {penalties.shape}"
        )
    if not ((penalties > 0) & (penalties <= 1)).all():
        raise InvalidInputError("diversity penalties must be in (0, 1]")
    if (shown.shape[1] > depths).any():
        raise InvalidInputError(
            f"slates of {shown.shape[1]} arms can't be cut from rankings of {depths.min()}"
        )
    dropped = (~eligible).sum(axis=1)
    most = int(dropped.max(initial=0))
    if most > MOST_DROPPED:
        raise InvalidInputError(
            f"{most} arms of a slate are dropped; where there are more than {MOST_DROPPED}, none follows"
        )
    found = np.empty(shown.shape)
    for count in np.unique(dropped).tolist():
        rows = np.flatnonzero(dropped == count)
        for chunk in row_chunks(
            len(rows), bytes_per_row=8 * (2**count * (3 * count + 8) + kept.shape[1] * count)
        ):
            at = rows[chunk]
            places = np.flatnonzero(~eligible[at].ravel()).reshape(len(at), count) % kept.shape[1]
            found[at] = _after_drops(kept[at], penalties[at], groups[at], shown[at], places, depths[at])
    return found


def _after_drops(
    weights: Floats, penalties: Floats, groups: Ints, shown: Ints, dropped: Ints, depths: Ints
) -> Floats:
    """As `propensities_after_drops`, of rows of which as many arms are dropped; dropped (n, d): which."""
    sets, sizes, steps = _sets(dropped.shape[1])
    powers = penalties ** np.arange(dropped.shape[1] + 1)[:, None]  # (d + 1, n)
    of_dropped = np.take_along_axis(groups, dropped, axis=1)
    in_group = (of_dropped[:, :, None] == groups[:, None, :]) & (of_dropped[:, :, None] >= 0)  # (n, d, A)
    alike = np.take_along_axis(in_group, dropped[:, None, :], axis=2)  # (n, d, d)
    shrunk = _shrunk(powers, sets @ alike.transpose(1, 2, 0))  # (d, sets, n): what R leaves of its group
    first_of_group = alike & ~np.tri(alike.shape[1], dtype=np.bool_).T  # an earlier one of the same group
    counted = (of_dropped >= 0) & ~first_of_group.any(axis=2)
    apart = ~in_group.any(axis=1)  # (n, A) arms on which no dropped arm has a say
    rates = np.take_along_axis(weights, dropped, axis=1)
    left = weights.copy()
    np.put_along_axis(left, dropped, 0.0, axis=1)
    entered = np.zeros((len(sizes), len(weights)))
    entered[0] = 1.0
    propensities = np.empty(shown.shape)
    for slot in range(shown.shape[1]):
        place = shown[:, slot, None]
        with_say = np.where(counted, (in_group @ left[:, :, None])[:, :, 0], 0.0)
        allowed = (left * apart).sum(axis=1) + sum(
            each * of for each, of in zip(with_say.T, shrunk, strict=True)
        )
        dropping = rates.T[:, None, :] * shrunk * (1 - sets.T)[:, :, None]
        total = allowed + dropping.sum(axis=0)
        dropping /= total
        visit = entered
        for arm, before, after in steps:
            visit[after] += visit[before] * dropping[arm, before]
        visit = np.where(sizes[:, None] <= depths - slot - 1, visit / total, 0.0)
        same = np.take_along_axis(in_group, place[:, :, None], axis=2)[:, :, 0]  # (n, d)
        own = np.take_along_axis(left, place, axis=1)[:, 0] * _shrunk(powers, sets @ same.T)
        entered = visit * own
        reached = _over_sets(entered)
        propensities[:, slot] = reached / _over_sets(visit * allowed)
        entered /= reached
        group = np.take_along_axis(groups, place, axis=1)
        left *= np.where((groups == group) & (group >= 0), penalties[:, None], 1.0)
        np.put_along_axis(left, place, 0.0, axis=1)
        rates = np.where(same, rates * penalties[:, None], rates)
    return propensities


def _over_sets(chances: Floats) -> Floats:
    """(sets, n) -> (n,) sums, added up in the same order whatever other rows there are."""
    return np.asarray(np.ascontiguousarray(chances.T).sum(axis=1))


def _shrunk(powers: Floats, counts: Floats) -> Floats:
    """powers (most + 1, n) of each row's penalty, counts (..., n) -> (..., n): the penalty to these."""
    return np.asarray(powers[counts.astype(np.int64), np.arange(powers.shape[1])])


@cache
def _sets(count: int) -> tuple[Floats, Floats, list[tuple[int, Ints, Ints]]]:
    """All sets of so many arms, as (sets, count) members, 0 or 1, and (sets,) sizes; and of each arm, by size
    of the set before, the sets that it can join and what they are then."""
    numbers = np.arange(2**count)
    members = (numbers[:, None] >> np.arange(count) & 1).astype(np.float64)
    sizes = members.sum(axis=1)
    steps = []
    for size in range(count):
        for arm in range(count):
            before = np.flatnonzero((sizes == size) & (members[:, arm] == 0))
            steps.append((arm, before, before | (1 << arm)))
    return members, sizes, steps
