"""The moments that the app gives what it takes in and decides: no two are one, and none is before another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_STEP = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The machine's."""
    return datetime.now(UTC)


class Clock:
    """By `now`, but never back, whatever that does: what was decided at a moment must not have been able to
    know what came in later under an earlier one."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self._last = datetime.min.replace(tzinfo=UTC)

    def not_before(self, moment: datetime) -> None:
        """What is given from now on is later than this."""
        self._last = max(self._last, moment)

    def next(self) -> datetime:
        """A moment later than all before."""
        self._last = max(self.now(), self._last + _STEP)
        return self._last
