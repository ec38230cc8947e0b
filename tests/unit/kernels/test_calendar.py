"""The day of the week and the hour, by the clocks of users, as the standard library has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.kernels.calendar import Calendar
from nightslate.programs.features import OfMoment
from nightslate.records.instants import INSTANT

DAY = OfMoment(source="calendar", aggregation="day_of_week")
HOUR = OfMoment(source="calendar", aggregation="hour_of_day", boundaries=(6.0, 18.0), zone="zone")
ZONES = ["Europe/Zurich", "Asia/Kathmandu", "America/New_York", "Pacific/Chatham", "UTC"]
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4 * 365 * 86_400 * 1_000_000 - 1),  # with the hours at which clocks are turned
            st.sampled_from([*ZONES, None, "Nowhere/Else"]),
        ),
        max_size=20,
    )
)
def test_days_and_hours_are_those_of_the_zone(drawn: list[tuple[int, str | None]]) -> None:
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro) for micro, _ in drawn]
    zones = [zone for _, zone in drawn]
    in_zone = DAY.model_copy(update={"zone": "zone"})
    rows = pa.table({"zone": pa.array(zones, pa.string()).dictionary_encode()})
    moments = pa.chunked_array([pa.array(at[:3], INSTANT), pa.array(at[3:], INSTANT)])
    found = Calendar({"day": DAY, "local_day": in_zone, "hour": HOUR}).beside(rows, moments)
    clocks = [ZoneInfo(zone if zone in ZONES else "UTC") for zone in zones]
    local = [when.astimezone(clock) for when, clock in zip(at, clocks, strict=True)]
    assert [NAMES[when.weekday()] for when in at] == found["day"].to_pylist()
    assert [NAMES[when.weekday()] for when in local] == found["local_day"].to_pylist()
    hours = [when.hour + when.minute / 60 + (when.second + when.microsecond / 1e6) / 3600 for when in local]
    assert found["hour"].to_pylist() == pytest.approx(hours)


def test_without_the_column_of_zones_there_is_no_hour() -> None:
    moments = pa.chunked_array([pa.array([datetime(2024, 1, 1, tzinfo=UTC)], INSTANT)])
    found = Calendar({"day": DAY, "hour": HOUR}).beside(pa.table({"user": ["a"]}), moments)
    assert found.to_pylist() == [{"user": "a", "day": "monday"}]
