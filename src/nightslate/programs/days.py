"""Which days a night reads, and which rewards it may believe."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta


def end_of(ds: date) -> datetime:
    """The first moment after the UTC day `ds`: what is known at the night of ds happened before it."""
    return datetime.combine(ds + timedelta(days=1), datetime.min.time(), UTC)


def first_day(ds: date, days: int) -> date:
    """The first of the `days` days that end with `ds`."""
    return ds - timedelta(days=days - 1)


def days_before(window: timedelta) -> int:
    """How many days before an outcome's day an impression within the window may lie."""
    return math.ceil(window / timedelta(days=1))


def matured_before(ds: date, window: timedelta) -> datetime:
    """Impressions at or before this moment have had their whole window by the end of `ds`."""
    return end_of(ds) - window


def microseconds(span: timedelta) -> int:
    """A duration as the tables count time."""
    return span // timedelta(microseconds=1)


def in_short(window: timedelta) -> str:
    """As a YAML file has it, in the largest unit that gives a whole number."""
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if window % length == timedelta(0):
            return f"{window // length}{unit}"
    return f"{window // timedelta(minutes=1)}m"
