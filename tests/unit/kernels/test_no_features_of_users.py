"""A program whose features are all of arms or of the calendar: its table of users has no rows."""

from datetime import UTC, date, datetime

import pyarrow as pa

from nightslate.kernels.calendar import Calendar
from nightslate.kernels.user_features import FeaturesOfDay, KnownFeatures
from nightslate.programs.features import OfMoment
from nightslate.records.instants import INSTANT

AT = datetime(2026, 3, 4, 13, tzinfo=UTC)
NONE = pa.schema([("user_id", pa.string()), ("as_of", INSTANT)])


def test_there_is_nothing_of_users_and_it_stands_beside_decisions() -> None:
    decisions = pa.table({"user_id": ["a" * 32], "occurred_at": pa.array([AT], INSTANT)})
    found = FeaturesOfDay({}, date(2026, 3, 4), of_decisions=True)({"decisions": decisions})
    assert found.schema.equals(NONE)
    assert not found.num_rows
    day = OfMoment(source="calendar", aggregation="day_of_week")
    known = KnownFeatures({}, of_decisions=True, calendar=Calendar({"weekday": day}))
    assert known.beside(decisions, found)["weekday"].to_pylist() == ["wednesday"]
    assert known.as_of(decisions, found, AT)["weekday"].to_pylist() == ["wednesday"]
