"""Columns of days, as dates, timestamps and text."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from nightslate.records.days import days

DAY = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("2026-01-31", pa.string(), DAY),
        (" 2026-01-31 ", pa.string(), DAY),
        ("2026-01-31 10:00:00", pa.string(), DAY),
        ("2026-01-31T23:00:00-05:00", pa.string(), date(2026, 2, 1)),
        ("2026-01-31T23:00:00Z", pa.large_string(), DAY),
        ("", pa.string(), None),
        (None, pa.string(), None),
        (None, pa.null(), None),
        (DAY, pa.date32(), DAY),
        (DAY, pa.date64(), DAY),
        (datetime(2026, 1, 31, 23), pa.timestamp("us"), DAY),  # noqa: DTZ001  as files have it
        (datetime(2026, 1, 31, 23, tzinfo=UTC), pa.timestamp("ns", "America/New_York"), DAY),
    ],
)
def test_a_day_is_read(value, kind, wanted):
    found = days(pa.array([value], kind))
    assert found.array.to_pylist() == [wanted]
    assert not any(wrong.any() for wrong, _ in found.faults)


@pytest.mark.parametrize("value", ["2026-02-30", "31.01.2026", "20260131", "today", "2026-01-31x", 7])
def test_what_is_no_day_is_a_fault(value):
    found = days(pa.array([value]))
    assert found.array.to_pylist() == [None]
    assert [how.fault for wrong, how in found.faults if wrong.any()] == ["is not a day: write 2026-01-31"]
