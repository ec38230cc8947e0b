"""One of C groups for each of n rows, so that as many rows get each group as are expected to.

Rows of chances become rows of a 1 and zeros by steps that change no sum of a row, no sum of a group, and no
expectation. Two rows that may both get either of two groups play for them (the pivotal method, Deville and
Tillé, 1998): one gains of the first group what the other loses, and the reverse of the second, until a chance
is 0; whether up or down is drawn so that both chances are in expectation what they were. However many rows
there are, few are open in the end: at most one for each two groups. These are settled by the same steps
around longer cycles, and at last along paths, whose ends alone change a group's sum, by less than 1
(dependent rounding, Gandhi, Khuller, Parthasarathy and Srinivasan, 2006).

So each row has each group with exactly its chance, and the total of each group is its expectation, rounded up
or down. Rows may be gone through in parts: what these leave open is settled together."""

from itertools import combinations

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, uniform

_Edge = tuple[int, int]
"""A row and a group that it may get."""


def played(chances: Floats, keys: Keys, seed: int) -> Floats:
    """chances (n, C), rows that sum to 1 -> (n, C): no two rows may both get either of the same two groups.
    keys (n,): of the rows, whose games are hashes of them and of the seed."""
    left = chances.copy()
    for number, (a, b) in enumerate(combinations(range(left.shape[1]), 2)):
        game = int(mix(number, seed))
        pool = np.flatnonzero((left[:, a] > 0) & (left[:, b] > 0))
        while len(pool) > 1:
            half = len(pool) // 2
            one, other = pool[: 2 * half : 2], pool[1 : 2 * half : 2]
            up = np.minimum(left[one, b], left[other, a])
            down = np.minimum(left[one, a], left[other, b])
            rises = uniform(mix(mix(keys[one], keys[other]), game)) * (up + down) < down
            step = np.where(rises, up, -down)
            left[one, a] += step
            left[one, b] -= step
            left[other, a] -= step
            left[other, b] += step
            pool = pool[(left[pool, a] > 0) & (left[pool, b] > 0)]
    return left


def open_rows(chances: Floats) -> Bools:
    """(n,) the rows that may still get one of several groups."""
    return np.asarray((chances > 0).sum(axis=1) > 1)


def settled(chances: Floats, keys: Keys, seed: int) -> Ints:
    """(n,) the group of each row: `played`, and what that leaves open."""
    left = played(chances, keys, seed)
    rows = np.flatnonzero(open_rows(left))
    few, step = left[rows], 0
    while (path := _path(few)) is not None:
        gaining, losing = path[::2], path[1::2]
        up, down = min(few[edge] for edge in losing), min(few[edge] for edge in gaining)
        drawn = float(uniform(mix(seed, np.array([step], dtype=np.uint64)))[0])
        by = up if drawn * (up + down) < down else -down
        for edges, sign in ((gaining, 1), (losing, -1)):
            for edge in edges:
                few[edge] += sign * by
        step += 1
    left[rows] = few
    return np.asarray(left.argmax(axis=1))


def _path(chances: Floats) -> list[_Edge] | None:
    """Edges that follow one another through rows and groups in turn: a cycle or, where there is none, a path
    between two groups that no other open row may get. None if no row is open."""
    edges = {
        (int(row), int(group)) for row, group in np.argwhere((chances > 0) & open_rows(chances)[:, None])
    }
    if not edges:
        return None
    groups = [group for _, group in sorted(edges)]
    start = min(groups, key=groups.count)
    walk: list[_Edge] = []
    at_group, node, seen = True, start, {(True, start): 0}
    while True:
        onward = [edge for edge in sorted(edges) if edge[1 if at_group else 0] == node and edge not in walk]
        if not onward:
            return walk
        walk.append(onward[0])
        at_group, node = not at_group, onward[0][0 if at_group else 1]
        if (at_group, node) in seen:
            return walk[seen[at_group, node] :]
        seen[at_group, node] = len(walk)
