"""Days and hours of a user's own time in which nobody is contacted, in terms of UTC.

A local time may come twice, or never: clocks are turned. So nothing is computed from local times; each moment
is asked what its local time is. What changes does so at whole hours of local time or when clocks are turned,
which both are at quarters of an hour of UTC, or within one where nothing else changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_STEP, _FINEST = timedelta(minutes=15), timedelta(seconds=1)
_DAY = 24


class Quiet(ABC):
    """When nobody is contacted, as it changes at whole hours of local time."""

    @abstractmethod
    def is_quiet(self, moment: datetime, zone: tzinfo) -> bool:
        """Whether nobody in the zone is contacted at this moment."""

    def open_times(
        self, start: datetime, end: datetime, zone: tzinfo
    ) -> tuple[tuple[datetime, datetime], ...]:
        """What is left of [start, end) in the zone, as [from, until) in order. start, end: with a time zone,
        at a quarter of an hour."""
        edges = [*self._changes(start, end, zone), end]
        found, since = [], start
        for edge in edges:
            if since < edge and not self.is_quiet(since, zone):
                found.append((since, edge))
            since = edge
        return tuple(found)

    def _changes(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
        """The moments in (start, end) from which on it is otherwise than before."""
        now, was_quiet = start, self.is_quiet(start, zone)
        while now < end:
            later = min(now + _STEP, end)
            is_quiet = self.is_quiet(later, zone)
            if is_quiet != was_quiet:
                yield self._change(now, later, zone)
            now, was_quiet = later, is_quiet

    def _change(self, before: datetime, after: datetime, zone: tzinfo) -> datetime:
        """The first moment, of whole seconds, that is as `after`, which `before` is not."""
        is_quiet = self.is_quiet(after, zone)
        while after - before > _FINEST:
            middle = before + (after - before) // 2 // _FINEST * _FINEST
            if self.is_quiet(middle, zone) == is_quiet:
                after = middle
            else:
                before = middle
        return after


@dataclass(frozen=True)
class QuietHours(Quiet):
    """`days`: those of the week, 0 for Monday. `hours`: from the first to before the second, over midnight
    where the first is later; None for no hours."""

    days: frozenset[int]
    hours: tuple[int, int] | None

    def is_quiet(self, moment: datetime, zone: tzinfo) -> bool:
        """Whether nobody in the zone is contacted at this moment."""
        local = moment.astimezone(zone)
        if local.weekday() in self.days:
            return True
        if self.hours is None:
            return False
        since, until = self.hours
        hour, start, end = local.hour, since % _DAY, until
        return start <= hour < end if start < end else hour >= start or hour < end


@dataclass(frozen=True)
class AnyQuiet(Quiet):
    """Quiet where any of the parts is."""

    parts: tuple[Quiet, ...]

    def is_quiet(self, moment: datetime, zone: tzinfo) -> bool:
        """Whether nobody in the zone is contacted at this moment."""
        return any(part.is_quiet(moment, zone) for part in self.parts)
