"""Which part of the unit interval each variant of an experiment has.

Every user has a number in [0, 1), a hash of salt and id that never changes. Whoever lies in a segment is in
its variant. When shares change, segments are cut: variants that are to lose give up just what is too much,
and variants that are to gain get just that. So the fewest users move (half the sum of |new share - old
share|), nobody moves between variants that both lose, or both gain, and a user who is created again is in the
same variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from nightslate.core.arrays import Floats, Ints

_LEAST = 1e-12
"""Shorter parts of the interval are what sums of shares lose in float64."""


@dataclass(frozen=True)
class Segment:
    """Users in [lower, upper) are in the variant since a day, for they were assigned to it or moved there."""

    lower: float
    upper: float
    variant: str
    since: date
    reason: Literal["assigned", "moved"] = "assigned"

    @property
    def length(self) -> float:
        return self.upper - self.lower


def allocated(shares: Mapping[str, float], since: date) -> tuple[Segment, ...]:
    """The segments of an experiment that begins, by name of the variants. shares: sum to 1."""
    names = sorted(name for name, share in shares.items() if share > 0)
    bounds = np.cumsum([shares[name] for name in names]).tolist()
    bounds[-1] = 1.0
    lowers = [0.0, *bounds[:-1]]
    ends = zip(lowers, bounds, names, strict=True)
    return tuple(Segment(lower, upper, name, since) for lower, upper, name in ends)


def reallocated(segments: Sequence[Segment], shares: Mapping[str, float], since: date) -> tuple[Segment, ...]:
    """The segments under other shares, which sum to 1: what moves does so on the day `since`."""
    held = shares_of(segments)
    excess = {name: share - shares.get(name, 0.0) for name, share in held.items()}
    kept, freed = [], []
    for segment in reversed(segments):
        cut = min(segment.length, max(0.0, excess[segment.variant]))
        excess[segment.variant] -= cut
        whole = segment.length - cut < _LEAST
        if cut < _LEAST:
            kept.append(segment)
        elif whole:
            freed.append((segment.lower, segment.upper))
        else:
            kept.append(replace(segment, upper=segment.upper - cut))
            freed.append((segment.upper - cut, segment.upper))
    wanted = {name: share - held.get(name, 0.0) for name, share in sorted(shares.items())}
    wanted = {name: want for name, want in wanted.items() if want > _LEAST}
    moved = [
        Segment(lower, upper, name, since, "moved") for lower, upper, name in _dealt(sorted(freed), wanted)
    ]
    return tuple(sorted([*kept, *moved], key=lambda segment: segment.lower))


def shares_of(segments: Sequence[Segment]) -> dict[str, float]:
    """How much of the interval each variant has."""
    held: dict[str, float] = {}
    for segment in segments:
        held[segment.variant] = held.get(segment.variant, 0.0) + segment.length
    return held


def segment_of(segments: Sequence[Segment], draws: Floats) -> Ints:
    """(n,) the place of each user's segment. draws: (n,) the users' numbers in [0, 1)."""
    bounds = [segment.upper for segment in segments[:-1]]
    return np.searchsorted(np.asarray(bounds, dtype=np.float64), draws, side="right")


def _dealt(
    parts: Sequence[tuple[float, float]], wanted: Mapping[str, float]
) -> list[tuple[float, float, str]]:
    """The parts of the interval, in order, to those that want them, in order; the last takes what is left."""
    names, left = list(wanted), dict(wanted)
    dealt = []
    for lower, upper in parts:
        while upper - lower > 0:
            name = names[0]
            end = upper if len(names) == 1 or upper - lower <= left[name] + _LEAST else lower + left[name]
            dealt.append((lower, end, name))
            left[name] -= end - lower
            lower = end
            if left[name] < _LEAST and len(names) > 1:
                names.pop(0)
    return dealt
