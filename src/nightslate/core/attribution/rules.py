"""How the impressions that an outcome touches share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.attribution.touches import Touches
from nightslate.core.errors import InvalidInputError

PAIRS = 1 << 20
"""Outcomes are shared out in pieces of about so many touches."""

_ENDS, _BETWEEN = 0.4, 0.2


@dataclass(frozen=True, eq=False)
class Piece:
    """The touches of some outcomes, outcome by outcome, c in all. outcome, impression (c,): their places;
    lag (c,): microseconds from one to the other, never negative; share (c,): sums to 1 over an outcome."""

    outcome: Ints
    impression: Ints
    lag: Ints
    share: Floats


@dataclass(frozen=True, eq=False)
class _Segments:
    """What a rule looks at. counts, starts (k,): how many touches each outcome has, and where they begin;
    outcome (c,): which of these a touch is of; place (c,): which of its touches, from 0; lag (c,);
    arm (c,)."""

    counts: Ints
    starts: Ints
    outcome: Ints
    place: Ints
    lag: Ints
    arm: Ints


@dataclass(frozen=True)
class Rule:
    """A rule by name.

    `last_touch`, `first_touch`: all to the latest or the earliest. `linear`: equal shares. `time_decay`: in
    proportion to 2 ** (-lag / half_life). `position`: .4 to the earliest, .4 to the latest, .2 to those
    between them; half each of two. `shapley`: equal shares to the arms, and of an arm to its impressions.
    This is the Shapley value of the game whose coalitions of arms earn the outcomes that touch no other arm
    (Shapley, 1953; Zhao, Mahboobi and Bagheri, 2018, section 3): it shares each outcome on its own, so
    credits of a day never depend on other days.

    half_life_us: microseconds; time_decay needs it. max_touches: so many of the latest share, but for
    first_touch, which looks at all. Raises InvalidInputError for anything else."""

    name: str
    half_life_us: int | None = None
    max_touches: int = 100

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise InvalidInputError(
                f"the attribution rule must be one of {', '.join(RULES)}, got {self.name!r}"
            )
        if (self.name == "time_decay") != (self.half_life_us is not None):
            raise InvalidInputError(f"time_decay needs a half-life, and no other rule has one; got {self}")
        if self.half_life_us is not None and self.half_life_us <= 0:
            raise InvalidInputError(f"the half-life must be > 0, got {self.half_life_us} us")
        if self.max_touches < 1:
            raise InvalidInputError(f"max_touches must be at least 1, got {self.max_touches}")

    def among(self, touches: Touches) -> tuple[Ints, Ints]:
        """(m,), (m,): where in `touches.line` those begin and end that get a share."""
        first, last = touches.first, touches.last
        if self.name == "first_touch":
            return first, np.minimum(first + 1, last)
        return np.maximum(first, last - (1 if self.name == "last_touch" else self.max_touches)), last

    def shares(self, segments: _Segments) -> Floats:
        """(c,) the share of each touch."""
        if self.half_life_us is not None:
            return _decaying(segments, self.half_life_us)
        return _SHARES[self.name](segments)


def pieces(touches: Touches, rule: Rule, times: Ints, arms: Ints, outcome_times: Ints) -> Iterator[Piece]:
    """The shares of all outcomes that touch something, some at a time, in the order of outcomes.

    times, arms (n,): of impressions; outcome_times (m,); in microseconds. A piece has about PAIRS touches,
    and an outcome all of its touches in one."""
    first, last = rule.among(touches)
    outcomes = np.flatnonzero(last > first)
    ends = np.cumsum(last[outcomes] - first[outcomes])
    begin = 0
    while begin < outcomes.size:
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + PAIRS, side="right")))
        some = outcomes[begin:end]
        counts = last[some] - first[some]
        starts = np.cumsum(counts) - counts
        nth = np.repeat(np.arange(some.size), counts)
        place = np.arange(nth.size) - starts[nth]
        impression, outcome = touches.line[first[some][nth] + place], some[nth]
        lag = np.maximum(outcome_times[outcome] - times[impression], 0)
        share = rule.shares(_Segments(counts, starts, nth, place, lag, arms[impression]))
        yield Piece(outcome, impression, lag, share)
        begin = end


def _alone(segments: _Segments) -> Floats:
    return np.ones(segments.outcome.size)


def _linear(segments: _Segments) -> Floats:
    return 1 / segments.counts[segments.outcome]


def _decaying(segments: _Segments, half_life_us: int) -> Floats:
    # relative to an outcome's latest touch, so that no share underflows where all of them are old
    age = segments.lag - np.minimum.reduceat(segments.lag, segments.starts)[segments.outcome]
    weight = np.exp2(-age / half_life_us)
    return np.asarray(weight / np.add.reduceat(weight, segments.starts)[segments.outcome])


def _position(segments: _Segments) -> Floats:
    counts, place = segments.counts[segments.outcome], segments.place
    at_end = (place == 0) | (place == counts - 1)
    share = np.where(at_end, _ENDS, _BETWEEN / np.maximum(counts - 2, 1))
    return np.where(counts > 2, share, 1 / counts)


def _shapley(segments: _Segments) -> Floats:
    order = np.lexsort((segments.arm, segments.outcome))
    outcome, arm = segments.outcome[order], segments.arm[order]
    begins = np.append(True, (outcome[1:] != outcome[:-1]) | (arm[1:] != arm[:-1]))
    group = np.cumsum(begins) - 1
    arms = np.bincount(outcome[begins], minlength=segments.counts.size)
    share = np.empty(outcome.size)
    share[order] = 1 / (arms[outcome] * np.bincount(group)[group])
    return share


_SHARES: dict[str, Callable[[_Segments], Floats]] = {
    "last_touch": _alone,
    "first_touch": _alone,
    "linear": _linear,
    "position": _position,
    "shapley": _shapley,
}
RULES = ("last_touch", "first_touch", "linear", "time_decay", "position", "shapley")
