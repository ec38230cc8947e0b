"""Why the share of each user is what it is, and why it is another one than the day before.

A share changes by the first of these that holds: a treatment that is `stopped`, a `signal`, a `rule`. Of the
others what moved the share more: the share of `everyone`, or what a `score` adds to it; without a score it is
on the way back (`return`) from what held before. A user who comes anew is `new`, one who is not there today
`absent`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.allocation.share_sums import Drawn
from nightslate.core.allocation.shares import EXACT
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.contextual_assignments import USER, ContextualAssignment, Past
from nightslate.kernels.lists import place_in

CHANGES = ("same", "new", "absent", "stopped", "signal", "rule", "everyone", "score", "return")
APART = ("everyone", "absent", "signal", "rule", "score", "return")
"""Why a share is another than everyone's; `everyone`: it is not."""

_ROUNDING = 2 * EXACT


@dataclass(frozen=True, eq=False)
class Causes:
    """Of each user (n,) the place in `CHANGES` of why the share changed tonight, and in `APART` of why it is
    another than everyone's."""

    change: Ints
    apart: Ints


def causes_of(
    by: ContextualAssignment,
    users: pa.Table,
    drawn: Drawn,
    past: Past,
    ids: pa.Array,
    everyone_before: Floats,
) -> Causes:
    """Of users by their ids. users: those of the day with their contexts; drawn: tonight's; everyone_before
    (k,): the shares of everyone the day before, NaN where there were none."""
    baseline, had, shares = by.limits.baseline, past.shares, drawn.shares
    ruled, signalled, present = (np.zeros(len(ids), dtype=np.bool_) for _ in range(3))
    at = place_in(users[USER], ids)
    for condition, _ in by.rules:
        ruled |= by.holds(condition, users, at, len(ids))
    for effect, there in by.by_region(users, at, len(ids)):
        if effect.do is not None:
            signalled |= there
    present[at] = True
    scored = np.asarray(np.isfinite(drawn.scores).any(axis=1))
    by_everyone = np.abs(baseline - everyone_before).max()
    of_its_own = np.abs((shares - baseline) - (had - everyone_before)).max(axis=1)
    stopped = np.asarray(((baseline == 0) & (had > 0)).any(axis=1))
    same, as_everyone = (_equal(shares, other) for other in (had, baseline))
    change = _first(
        len(ids),
        CHANGES,
        {
            "new": ~past.known,
            "same": same,
            "stopped": stopped,
            "absent": ~present,
            "signal": signalled,
            "rule": ruled,
            "everyone": np.asarray(by_everyone >= of_its_own),
            "score": scored,
        },
        otherwise="return",
    )
    apart = _first(
        len(ids),
        APART,
        {
            "everyone": as_everyone,
            "absent": ~present,
            "signal": signalled,
            "rule": ruled,
            "score": scored,
        },
        otherwise="return",
    )
    return Causes(change, apart)


def _first(n: int, names: tuple[str, ...], holds: dict[str, Bools], otherwise: str) -> Ints:
    """(n,) the place among the names of the first that holds of each user (n,)."""
    found = np.full(n, names.index(otherwise))
    for name, which in reversed(holds.items()):
        found[which] = names.index(name)
    return found


def _equal(shares: Floats, others: Floats) -> Bools:
    """(n,) whose shares are the same."""
    return np.asarray(~np.any(np.abs(shares - others) > _ROUNDING, axis=1))
