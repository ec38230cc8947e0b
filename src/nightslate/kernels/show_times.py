"""When slates of a day may be shown, by the zones of their users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import Bools
from nightslate.core.quiet_times import Quiet, QuietHours
from nightslate.programs.contacts import WEEKDAYS, ContactRules, QuietTimes
from nightslate.programs.days import end_of
from nightslate.records.instants import INSTANT

COLUMNS = {"shown_from": "_shown_from", "shown_until": "_shown_until"}
"""The columns of slates, and what they are called beside users, whose own columns never begin so."""

_TIMES = arrow.type_of(load("slates").column("shown_from"))


@dataclass(frozen=True)
class ShowTimes:
    """The times of the UTC day `slate_date` that are left: all of it where nothing is quiet. zone: the column
    of the user's zone; None for UTC. after: how much of the day is over anyway, in quarters of an hour."""

    slate_date: date
    quiet: Quiet
    zone: str | None
    after: timedelta = timedelta(0)

    @classmethod
    def of(cls, rules: ContactRules | None, slate_date: date) -> ShowTimes | None:
        """Those of a program; None where slates may be shown at any time, also after their day."""
        if rules is None or (rules.quiet is None and not rules.expires):
            return None
        zone = rules.quiet.zone if rules.quiet else None
        return cls(slate_date, quiet_hours(rules.quiet), zone)

    def beside(self, users: pa.Table) -> pa.Table:
        """The users with their times, as `COLUMNS`."""
        zones, place = self._zones(users)
        times = [self.of_zone(zone) for zone in zones]
        for end, column in enumerate(COLUMNS.values()):
            by_zone = pa.array([[pair[end] for pair in of_zone] for of_zone in times], _TIMES)
            users = users.append_column(column, by_zone.take(place))
        return users

    def left(self, users: pa.Table) -> Bools:
        """(n,) whether there is any time at which the user may be shown something."""
        zones, place = self._zones(users)
        found = np.array([bool(self.of_zone(zone)) for zone in zones], dtype=np.bool_)
        return np.asarray(found[place.to_numpy()])

    def first(self, users: pa.Table) -> tuple[pa.Array, pa.Array]:
        """(n,) when the first of these times begins for each user, and when it ends; null where none is
        left."""
        zones, place = self._zones(users)
        times = [next(iter(self.of_zone(zone)), (None, None)) for zone in zones]
        begin, end = (pa.array([pair[at] for pair in times], _TIMES.value_type).take(place) for at in (0, 1))
        return begin, end

    def in_unknown_zones(self, users: pa.Table) -> int:
        """How many users have no zone, or one that is not known."""
        if self.zone is None:
            return 0
        zones, place = self._zones(users)
        unknown = np.array([zone_named(zone) is None for zone in zones], dtype=np.bool_)
        return int(unknown[place.to_numpy()].sum())

    def of_zone(self, name: str | None) -> tuple[tuple[datetime, datetime], ...]:
        """The times that are left in a zone, from each first to before each second."""
        start = end_of(self.slate_date - timedelta(days=1)) + self.after
        return self.quiet.open_times(start, end_of(self.slate_date), zone_named(name) or UTC)

    def _zones(self, users: pa.Table) -> tuple[list[str | None], pa.Array]:
        """The zones of users, each once, and the place (n,) of each user's."""
        if self.zone is None:
            return [None], pa.array(np.zeros(users.num_rows, dtype=np.int64))
        column = users[self.zone].combine_chunks()
        zones = pc.unique(column)
        return zones.to_pylist(), pc.index_in(column, zones)


def outside_their_times(impressions: pa.Table, slates: pa.Table) -> int:
    """How many impressions were shown at another time than the slate that they name may be. impressions: with
    `slate_id` and `occurred_at`; slates: `slate_id` and `COLUMNS`."""
    place = pc.index_in(impressions["slate_id"], slates["slate_id"].combine_chunks()).combine_chunks()
    since, until = (slates[name].combine_chunks().take(place) for name in COLUMNS)
    row = pc.list_parent_indices(since).to_numpy()
    at = impressions["occurred_at"].cast(INSTANT).cast(pa.int64()).combine_chunks().to_numpy()[row]
    first, end = (pc.list_flatten(lists).cast(pa.int64()).to_numpy() for lists in (since, until))
    within = np.bincount(row[(first <= at) & (at < end)], minlength=impressions.num_rows)
    return int((since.is_valid().to_numpy(zero_copy_only=False) & (within == 0)).sum())


def quiet_hours(quiet: QuietTimes | None) -> QuietHours:
    """What a program says, by numbers; of no quiet times those that never are."""
    if quiet is None:
        return QuietHours(frozenset(), None)
    return QuietHours(frozenset(WEEKDAYS.index(day) for day in quiet.days), quiet.hours)


def zone_named(name: str | None) -> tzinfo | None:
    """The zone of an IANA name; None where there is none. No name is ever a path: it has to be one of those
    that are known."""
    return ZoneInfo(name) if name in _known_zones() else None


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())
