"""Outcomes of some users to the impressions before them. No Spark here: files come through here as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.attribution import (
    Piece,
    Rule,
    Touches,
    capped,
    first_of_each,
    in_order,
    matched,
    named,
    pieces,
)
from nightslate.core.errors import InvalidInputError
from nightslate.kernels.events import UNKNOWN, Events, codes
from nightslate.programs.days import microseconds

IMPRESSION_COLUMNS = ("impression_id", "user_id", "arm_id", "slot", "occurred_at")
OUTCOME_COLUMNS = ("outcome_id", "user_id", "occurred_at", "kind", "value", "arm_id", "impression_id")

CREDITS = arrow.types(load("credits").file_columns)
UNATTRIBUTED = arrow.types(load("unattributed").file_columns)

MATCHES = ("closest", "impression", "user_arm", "user_topic", "user")


@dataclass(frozen=True)
class Attributor:
    """How outcomes are matched with impressions and shared among them. That amounts and durations make sense
    has been checked where they were said: in a program when it is read, in the options of a command.

    match: `impression`, the one that the outcome names; `user_arm`, those of its user and its arm;
    `user_topic`, of its user and the topic of its arm; `user`, of its user; `closest`, the first of
    impression, user_arm and user that it says enough for. matches: of kinds that are matched in another way.
    values: what a kind is worth, times the outcome's own value; None: every kind is worth 1. The others are
    as `Rewards` of a program has them. topics: of arms, by id. at_horizon: kinds that count at the end of a
    horizon, not when they happen."""

    rule: Rule
    match: str
    window: timedelta
    values: Mapping[str, float] | None = None
    windows: Mapping[str, timedelta] = field(default_factory=dict)
    matches: Mapping[str, str] = field(default_factory=dict)
    decay: timedelta | None = None
    cap: float | None = None
    max_outcomes: int = 1000
    skew: timedelta = timedelta(0)
    topics: Mapping[str, str] = field(default_factory=dict)
    at_horizon: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        unknown = {self.match, *self.matches.values()} - set(MATCHES)
        if unknown:
            raise InvalidInputError(f"match must be one of {', '.join(MATCHES)}, got {sorted(unknown)}")

    def attribute(self, impressions: pa.Table, outcomes: pa.Table) -> Attributed:
        """Both logs of some users: all rows of a user or none, in any order.

        impressions: impression_id, user_id, arm_id, occurred_at and, where there are any, slots. outcomes:
        outcome_id, user_id, kind, value, occurred_at, and where it is known arm_id and impression_id."""
        users = pc.unique(outcomes["user_id"])
        shown = Events.of(impressions, users, "impression_id")
        done = Events.of(outcomes, users, "outcome_id")
        reasons = Reasons(done.user.size)
        self._leave_out(done, reasons)
        touches = self._touches(shown, done, reasons)
        found = Attributed(self, shown, done, touches, reasons)
        return found if self.cap is None else found.capped(self.cap)

    def _leave_out(self, done: Events, reasons: Reasons) -> None:
        """What is worth nothing, and what is more than one looks at of one user in one day."""
        for kind in self.at_horizon:
            reasons.add("at_horizon", done.by_kind({kind: 1.0}, 0.0) > 0)
        if self.values is not None:
            reasons.add("not_valued", np.isnan(done.by_kind(self.values, np.nan)))
        rest = np.flatnonzero(reasons.none)
        _, rows = np.unique(done.user_day[rest], return_counts=True)
        if rows.max(initial=0) > self.max_outcomes:
            kept = first_of_each(done.user_day[rest], _by_day(done, rest), self.max_outcomes)
            reasons.add("too_many", rest[~kept])

    def _touches(self, shown: Events, done: Events, reasons: Reasons) -> Touches:
        """The touches of every outcome, each matched as its kind is."""
        touches = Touches.none(done.user.size)
        for match, mine in done.of_kinds(self.matches, self.match).items():
            for way, possible in _ways(match, done):
                at = np.flatnonzero(mine & possible & reasons.none)
                if at.size:
                    touches = touches.with_those_of(at, self._matched(way, shown, done, at))
                mine = mine & ~possible
            reasons.add("unnamed", mine)
        reasons.add("before_impression", touches.later)
        reasons.add("late", touches.earlier & (touches.counts == 0))
        reasons.add("no_impression", touches.counts == 0)
        return touches

    def _matched(self, way: str, shown: Events, done: Events, at: Ints) -> Touches:
        spans = {kind: float(microseconds(span)) for kind, span in self.windows.items()}
        windows = done.by_kind(spans, microseconds(self.window))[at].astype(np.int64)
        if way == "impression":
            return named(*_named(shown, done, at), windows, microseconds(self.skew))
        keys, outcome_keys = self._keys(way, shown, done)
        times = done.time[at]
        return matched(keys, shown.time, shown.slot, shown.ranks, outcome_keys[at], times, windows)

    def _keys(self, way: str, shown: Events, done: Events) -> tuple[Ints, Ints]:
        """One number for what an impression (n,) and an outcome (m,) have in common where they match."""
        if way == "user":
            return shown.user, done.user
        if way == "user_arm":
            arms = pc.unique(shown.log["arm_id"])
            group = np.arange(len(arms))
        else:
            arms = pa.array(self.topics, pa.string())
            group = np.unique(list(self.topics.values()), return_inverse=True)[1]
        groups = int(group.max(initial=0)) + 2  # the last one is of impressions that match nothing
        group = np.append(group, UNKNOWN)  # at place -1: of an arm that is not among them
        of_shown, of_done = group[shown.codes("arm_id", arms)], group[done.codes("arm_id", arms)]
        keys = shown.user * groups + np.where(of_shown == UNKNOWN, groups - 1, of_shown)
        return keys, np.where(of_done == UNKNOWN, UNKNOWN, done.user * groups + of_done)


@dataclass(frozen=True, eq=False)
class Attributed:
    """What became of the outcomes: each is either in `credits` or in `unattributed`. `kept` (m,): what a cap
    left of each outcome, as a share of it."""

    attributor: Attributor
    shown: Events
    done: Events
    touches: Touches
    reasons: Reasons
    kept: Floats | None = None

    def credits(self) -> Iterator[pa.Table]:
        """Rows of `CREDITS`, in pieces of bounded size; those of an outcome are in one."""
        return (table for table, _ in self.credits_and_arms())

    def credits_and_arms(self) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
        """The pieces of `credits`, and with each the arms (c,) whose impressions are credited."""
        for piece, credit in self._credited():
            if self.kept is not None:
                credit = credit * self.kept[piece.outcome]
            columns = {
                "impression_id": self.shown.take("impression_id", piece.impression),
                "outcome_id": self.done.take("outcome_id", piece.outcome),
                "kind": self.done.take("kind", piece.outcome),
                "credit": credit,
                "value": _totals(piece, credit),
                "lag_seconds": piece.lag / 1e6,
                "rule": pa.repeat(self.attributor.rule.name, len(credit)),
            }
            yield pa.table(columns, schema=CREDITS), self.shown.take("arm_id", piece.impression)

    @property
    def unattributed(self) -> pa.Table:
        """Rows of `UNATTRIBUTED`: the outcomes without credit, each with its reason."""
        at = np.flatnonzero(~self.reasons.none)
        columns = {name: self.done.take(name, at) for name in ("outcome_id", "kind", "value")}
        return (
            pa.table({**columns, "reason": self.reasons.names_of(at)})
            .select(UNATTRIBUTED.names)
            .cast(UNATTRIBUTED)
        )

    def capped(self, cap: float) -> Attributed:
        """This, with no more than `cap` for the outcomes of a user in a day together."""
        total = np.zeros(self.done.user.size)
        for piece, credit in self._credited():
            total[piece.outcome] = _totals(piece, credit)
        at = np.flatnonzero(self.reasons.none)
        left = capped(total[at], self.done.user_day[at], _by_day(self.done, at), cap)
        kept = np.ones(total.size)
        kept[at] = np.divide(left, total[at], out=np.ones(at.size), where=total[at] != 0)
        self.reasons.add("capped", kept == 0)
        touches = self.touches.without(kept == 0)
        return replace(self, touches=touches, kept=kept)

    def _credited(self) -> Iterator[tuple[Piece, Floats]]:
        """The touches with their shares of what outcomes are worth, before any cap."""
        values = self.done.take("value").to_numpy()
        if self.attributor.values is not None:
            values = values * self.done.by_kind(self.attributor.values, 0.0)
        by_arm = self.attributor.rule.name == "shapley"
        arms = self.shown.codes("arm_id", pc.unique(self.shown.log["arm_id"])) if by_arm else self.shown.user
        for piece in pieces(self.touches, self.attributor.rule, self.shown.time, arms, self.done.time):
            credit = piece.share * values[piece.outcome]
            if self.attributor.decay is not None:
                credit = credit * np.exp2(-piece.lag / microseconds(self.attributor.decay))
            yield piece, credit


class Reasons:
    """Why outcomes (m,) have no credit: the first reason that was found for each."""

    def __init__(self, outcomes: int) -> None:
        self._names: list[str] = []
        self._reason = np.zeros(outcomes, dtype=np.int64)

    @property
    def none(self) -> Bools:
        """(m,) those for which none was found."""
        return np.equal(self._reason, 0)

    def add(self, name: str, rows: Bools | Ints) -> None:
        """A reason for some rows, unless they have one."""
        chosen = np.zeros_like(self.none)
        chosen[rows] = True
        self._names.append(name)
        self._reason[chosen & self.none] = len(self._names)

    def names_of(self, rows: Ints) -> pa.Array:
        """Of rows that have a reason."""
        return pa.array(self._names, pa.string()).take(pa.array(self._reason[rows] - 1))


def _ways(match: str, done: Events) -> Iterator[tuple[str, Bools]]:
    """The ways in which outcomes of this match are matched, each with those that say enough for it (m,)."""
    everyone = np.ones(done.user.size, dtype=np.bool_)
    says = {
        "impression": done.says("impression_id"),
        "user_arm": done.says("arm_id"),
        "user_topic": done.says("arm_id"),
        "user": everyone,
    }
    for way in ("impression", "user_arm", "user") if match == "closest" else (match,):
        yield way, says[way]


def _named(shown: Events, done: Events, at: Ints) -> tuple[Ints, Ints]:
    """For the outcomes at (k,): the place of the impression that each names, -1 where its user has none with
    this id, and the microseconds since."""
    ids = shown.take("impression_id").combine_chunks()
    place = codes(done.take("impression_id", at), ids)
    if shown.user.size:
        place[shown.user[place] != done.user[at]] = UNKNOWN
        return place, done.time[at] - shown.time[place]
    return place, np.zeros(at.size, dtype=np.int64)


def _by_day(done: Events, at: Ints) -> Ints:
    """The outcomes at (k,) by user, day and time, then by id: an order of these k."""
    return in_order((done.user_day[at],), done.time[at], lambda places: done.ranks(at[places]))


def _totals(piece: Piece, credit: Floats) -> Floats:
    """(c,) the sum of an outcome's credits, at each of them."""
    begins = np.append(True, piece.outcome[1:] != piece.outcome[:-1])
    sums = np.add.reduceat(credit, np.flatnonzero(begins))
    return np.asarray(sums[np.cumsum(begins) - 1])
