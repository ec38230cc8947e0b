"""Rows go into the page whole, and come out of it as they were to five digits."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from nightslate.reports.dashboard import encoding
from nightslate.reports.dashboard.encoding import encoded, thinned

DAY = date(2026, 1, 1)


def test_texts_stand_once_and_numbers_have_five_digits() -> None:
    rows = pa.table(
        {
            "day": [DAY, DAY, None],
            "name": ["a", None, "a"],
            "value": [1.0, 0.1234567, None],
            "n": [1, 2, None],
        }
    )
    assert encoded(rows) == {
        "day": {"values": ["2026-01-01"], "at": [0, 0, None]},
        "name": {"values": ["a"], "at": [0, None, 0]},
        "value": [1.0, 0.12346, None],
        "n": [1, 2, None],
    }


@pytest.mark.parametrize(("nights", "every"), [(10, 1), (11, 2), (40, 4)])
def test_of_too_many_rows_the_newest_night_stays_and_whole_nights_go(
    nights: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "MOST_ROWS", 20)
    days = [DAY + timedelta(days=i) for i in range(nights) for _ in range(2)]
    kept, of = thinned(pa.table({"day": days}))
    assert of == every
    assert kept["day"].to_pylist() == [day for day in days if (days[-1] - day).days % every == 0]
