"""What users do on their visits, event by event, and what the program's conditions make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.special import ndtri, pdtr

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.features import features_as_of, that_matter
from nightslate.programs import Program
from nightslate.programs.days import days_before
from nightslate.programs.features import Aggregate, SourceName, aggregates, columns_looked_at
from nightslate.worlds.landing_files import names_at
from nightslate.worlds.proactive_assistance.troubles import (
    HESITATES,
    ISSUES,
    LEAST_SIGNS,
    LOOKS_AT_PRICES,
    MORE,
    SIGNS,
    SPREAD_OF_SECONDS,
    USUAL,
)
from nightslate.worlds.proactive_assistance.world import DEVICES, NONE, Lives, People, World

MICROSECONDS_OF_A_DAY = 86_400_000_000
_SESSION, _DIALOGS_FROM, _BETWEEN_DIALOGS, _LONGEST = 900.0, 900.0, 240.0, 200.0
"""Seconds: pages, errors and features come within the first; then dialogs, so far apart that one is confirmed
before the next is opened; and the most that anybody looks or hesitates."""

AFTER_VISIT = 3600.0
"""Seconds from the beginning of a visit until help is shown: at its end."""

_MOST_SIGNS = 12
_FEATURES = ("reports", "sharing", "automation")


class Visits(NamedTuple):
    """Who comes on a day: places (v,) among the subscriptions, the time of day in seconds, and how many of
    each of SIGNS there were (v, signs)."""

    place: Ints
    at: Floats
    signs: Ints


def visits_of(world: World, lives: Lives, day: int) -> Visits:
    """The visits of a day."""
    place = np.flatnonzero(world.visits(lives, day))
    some = lives.take(place)
    at = 86_400 * (0.3 + 0.55 * uniform(world.keys(some.people, "time", day)))
    keys = world.keys(some.people, "signs", day)[:, None]
    of_signs = np.array([[seed(sign) for sign in SIGNS]], dtype=np.uint64)
    mean = USUAL + np.zeros((len(some), 1))
    troubled = some.troubled(day)
    for issue in range(len(ISSUES)):
        mean += MORE[issue, np.maximum(some.nature[:, issue], 0)] * troubled[:, issue][:, None]
    at_most = pdtr(np.arange(_MOST_SIGNS), np.maximum(mean, LEAST_SIGNS)[:, :, None])
    counts = (uniform(mix(keys, of_signs))[:, :, None] > at_most).sum(axis=2)  # Poisson, by inversion
    return Visits(place, at, counts)


@dataclass(frozen=True)
class Events:
    """Events of a log, all (e,): `number` of the user, `at` in microseconds since the first day, and what the
    log has besides, as text or numbers."""

    number: Ints
    at: Ints
    columns: pa.Table


def events_of(world: World, lives: Lives, visits: Visits, day: int) -> Events:
    """What happens on the visits of a day."""
    some = lives.take(visits.place)
    made = [_home(visits)]
    for place, sign in enumerate(SIGNS):
        made += _SIGN_EVENTS.get(sign, _plain)(world, some, visits, day, place)
    rows = np.concatenate([part.row for part in made])
    seconds = np.concatenate([part.after for part in made])
    at = day * MICROSECONDS_OF_A_DAY + ((visits.at[rows] + seconds) * 1e6).astype(np.int64)
    columns = {
        name: pa.concat_arrays([getattr(part, name) for part in made])
        for name in ("kind", "page", "seconds", "feature")
    }
    return Events(some.people.number[rows], at, pa.table(columns))


class _Made(NamedTuple):
    """Some events: the visit of each, how many seconds after its beginning, and its columns."""

    row: Ints
    after: Floats
    kind: pa.Array
    page: pa.Array
    seconds: pa.Array
    feature: pa.Array


def _events(
    row: Ints, after: Floats, kind: str, *, page: str | None = None, seconds: Floats | None = None,
    feature: pa.Array | None = None,
) -> _Made:  # fmt: skip
    empty = pa.nulls(len(row), pa.string())
    return _Made(
        row,
        after,
        pa.repeat(kind, len(row)),
        empty if page is None else pa.repeat(page, len(row)),
        pa.nulls(len(row), pa.float64()) if seconds is None else pa.array(np.round(seconds, 1)),
        empty if feature is None else feature,
    )


def _home(visits: Visits) -> _Made:
    row = np.arange(len(visits.place))
    return _events(row, np.zeros(len(row)), "page_view", page="home", seconds=np.full(len(row), 5.0))


def _one_by_one(world: World, some: Lives, visits: Visits, day: int, sign: int) -> tuple[Ints, Ints, Keys]:
    """Of all events of a sign the visit, the place among those of the visit, and randomness of its own."""
    counts = visits.signs[:, sign]
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = world.keys(some.people, "event", SIGNS[sign], day)[row]
    return row, place, mix(keys, place.astype(np.uint64))


def _plain(world: World, some: Lives, visits: Visits, day: int, sign: int) -> list[_Made]:
    row, _, keys = _one_by_one(world, some, visits, day, sign)
    after, name = _SESSION * uniform(mix(keys, 1)), SIGNS[sign]
    if name == "error":
        return [_events(row, after, "error")]
    if name == "feature":
        which = (mix(keys, 2) % np.uint64(len(_FEATURES))).astype(np.int64)
        return [_events(row, after, "feature_use", feature=names_at(_FEATURES, which))]
    seconds = _seconds(keys, np.full(len(row), 30.0))
    return [_events(row, after, "page_view", page=name, seconds=seconds)]


def _prices(world: World, some: Lives, visits: Visits, day: int, sign: int) -> list[_Made]:
    row, _, keys = _one_by_one(world, some, visits, day, sign)
    seconds = _seconds(keys, LOOKS_AT_PRICES[_nature(some, "pricing", day)[row] + 1])
    return [_events(row, _SESSION * uniform(mix(keys, 1)), "page_view", page="pricing", seconds=seconds)]


def _dialogs(world: World, some: Lives, visits: Visits, day: int, sign: int) -> list[_Made]:
    row, place, keys = _one_by_one(world, some, visits, day, sign)
    opened = _DIALOGS_FROM + _BETWEEN_DIALOGS * place.astype(np.float64)
    hesitation = _seconds(keys, HESITATES[_nature(some, "usability", day)[row] + 1])
    return [_events(row, opened, "dialog_opened"), _events(row, opened + hesitation, "dialog_confirmed")]


_SIGN_EVENTS = {"pricing": _prices, "dialog": _dialogs}


def _nature(some: Lives, issue: str, day: int) -> Ints:
    place = ISSUES.index(issue)
    return np.where(some.troubled(day)[:, place], some.nature[:, place], NONE)


def _seconds(keys: Keys, median: Floats) -> Floats:
    drawn = median * np.exp(SPREAD_OF_SECONDS * ndtri(uniform(mix(keys, 3))))
    return np.asarray(np.clip(drawn, 1.0, _LONGEST))


@dataclass
class Signs:
    """What the conditions of a program's issues make of what users did and were shown, as the night before
    a day knew it."""

    program: Program
    _events: dict[SourceName, dict[int, Events]] = field(
        default_factory=lambda: {"activity": {}, "impressions": {}}, init=False
    )

    def add(self, day: int, activity: Events, impressions: Events) -> None:
        """The events of a day; those that no window reaches any more are forgotten."""
        self._events["activity"][day], self._events["impressions"][day] = activity, impressions
        for days in self._events.values():
            days.pop(day - self._reach, None)

    def concerned(self, people: People, day: int) -> Bools:
        """(n, issues): whom each issue concerns on a day, by what was known at the end of the day before."""
        known = self._known(people, day)
        found = np.zeros((len(people), len(ISSUES)), dtype=np.bool_)
        for place, name in enumerate(ISSUES):
            issue = self.program.issue(name)
            rows = EligibleUsers(issue.eligible, issue.concern)(known)
            found[rows["row"].to_numpy(), place] = True
        return found

    def _known(self, people: People, day: int) -> pa.Table:
        table = profiles(people).append_column("row", pa.array(np.arange(len(people))))
        moments = np.full(len(people), day * MICROSECONDS_OF_A_DAY)
        for source, days in self._events.items():
            wanted = [each for each in self._wanted if each.spec.source == source]
            if wanted:
                events = that_matter(_log(list(days.values()), wanted), wanted)
                found = features_as_of(events, wanted, people.number, moments, moments)
                for name in found.column_names:
                    table = table.append_column(name, found[name])
        return table

    @property
    def _wanted(self) -> list[Aggregate]:
        names = {name for issue in self.program.issues.values() for name in issue.concerned_by}
        return [each for each in aggregates(self.program.features) if each.name in names]

    @property
    def _reach(self) -> int:
        return max((days_before(each.window) for each in self._wanted if each.window), default=0) + 1


def _log(days: list[Events], wanted: list[Aggregate]) -> pa.Table:
    """The events of some days, with the columns that features look at."""
    number, at = (
        np.concatenate([np.empty(0, dtype=np.int64), *(getattr(day, name) for day in days)])
        for name in ("number", "at")
    )
    looked_at = columns_looked_at(each.spec for each in wanted)
    empty = pa.table({name: pa.array([], _TYPES.get(name, pa.string())) for name in looked_at})
    columns = pa.concat_tables([empty, *(day.columns.select(looked_at) for day in days)])
    instants = pa.array(at).cast(pa.timestamp("us", "UTC"))
    log = {"user_id": number, "occurred_at": instants, "known_at": instants}
    return pa.table(log | {name: columns[name] for name in looked_at})


_TYPES = {"seconds": pa.float64()}


def profiles(people: People) -> pa.Table:
    """What is known of users besides what they do, in the columns of the landing logs."""
    return pa.table(
        {
            "user_id": pa.array(people.ids, pa.string()),
            "device": names_at(DEVICES, people.device),
        }
    )
