"""Quiet days and hours against the clock on the wall, minute by minute, also when clocks are turned."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.quiet_times import QuietHours

MINUTE = timedelta(minutes=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/Sao_Paulo",
)
TURNED = (
    date(2024, 3, 31),
    date(2024, 10, 27),
    date(2024, 3, 10),
    date(2024, 11, 3),
    date(2024, 4, 6),
    date(2024, 4, 7),
    date(2011, 12, 30),  # which Apia left out
    date(2010, 11, 7),  # St John's turned its clocks at one minute past midnight
    date(2018, 11, 4),  # Sao Paulo had no midnight
    date(2018, 2, 18),
)
HOURS = st.none() | st.tuples(st.integers(0, 24), st.integers(0, 24)).filter(lambda h: h[0] % 24 != h[1] % 24)


def hours_of(quiet):
    """The quiet hours, one by one, from the first on until the second."""
    if quiet is None:
        return set()
    since, until = quiet
    found, hour = set(), since % 24
    while hour != until % 24:
        found.add(hour)
        hour = (hour + 1) % 24
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(TURNED) | st.dates(date(2005, 1, 1), date(2030, 1, 1)),
    st.frozensets(st.integers(0, 6), max_size=6),
    HOURS,
)
def test_every_minute_is_open_or_quiet_as_the_wall_clock_says(zone, day, days, hours):
    where, start = ZoneInfo(zone), datetime(day.year, day.month, day.day, tzinfo=UTC)
    end, quiet_hours = start + timedelta(days=1), hours_of(hours)
    found = QuietHours(days, hours).open_times(start, end, where)
    edges = [moment for pair in found for moment in pair]
    assert edges == sorted(set(edges))
    assert all(start <= edge <= end for edge in edges)
    opened = {
        now
        for since, until in found
        for now in (since + number * MINUTE for number in range(int((until - since) / MINUTE)))
    }
    for number in range(24 * 60):
        now = start + number * MINUTE
        local = now.astimezone(where)
        quiet = local.weekday() in days or local.hour in quiet_hours
        assert (now in opened) == (not quiet)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Berlin", date(2024, 3, 30), ["07:00-20:00"]),
        ("Europe/Berlin", date(2024, 3, 31), ["06:00-19:00"]),
        ("America/New_York", date(2024, 3, 9), ["00:00-02:00", "13:00-00:00"]),
        ("America/New_York", date(2024, 3, 10), ["00:00-02:00", "12:00-00:00"]),
        ("Asia/Kolkata", date(2024, 3, 10), ["02:30-15:30"]),
    ],
)
def test_times_of_days_one_knows(zone, day, expected):
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    times = QuietHours(frozenset(), (21, 8)).open_times(start, start + timedelta(days=1), ZoneInfo(zone))
    assert [f"{since:%H:%M}-{until:%H:%M}" for since, until in times] == expected


def test_a_day_that_is_all_quiet_has_no_times_and_one_without_quiet_is_whole():
    start, end = datetime(2024, 3, 2, tzinfo=UTC), datetime(2024, 3, 3, tzinfo=UTC)
    assert QuietHours(frozenset({5}), None).open_times(start, end, UTC) == ()
    assert QuietHours(frozenset(), None).open_times(start, end, UTC) == ((start, end),)
