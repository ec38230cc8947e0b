"""Credits as events: of whom, when, and known from when on."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.kernels.credited import as_events

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")

shown = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["ann", "bob"]),
        "occurred_at": st.integers(0, 10**12).map(lambda us: BEGIN + timedelta(microseconds=us)),
        "arm_id": st.sampled_from(["call", "mail", None]),
    }
)
credit = st.fixed_dictionaries(
    {
        "impression_id": st.sampled_from(["0", "1", "2", "7"]),
        "lag_seconds": st.integers(0, 10**12).map(lambda us: us / 1e6),
        "ds": st.dates(date(2026, 3, 1), date(2026, 3, 20)),
        "credit": st.floats(-5, 5),
    }
)


@given(st.lists(shown, max_size=3), st.lists(credit, max_size=12))
def test_credits_are_events_of_who_saw_the_impression(impressions, credits):
    rows = [{**row, "impression_id": str(place)} for place, row in enumerate(impressions)]
    schema = {
        "impression_id": pa.string(),
        "user_id": pa.string(),
        "occurred_at": STAMP,
        "arm_id": pa.string(),
    }
    of_credits = [("impression_id", pa.string()), ("lag_seconds", pa.float64()), ("ds", pa.date32())]
    found = as_events(
        pa.Table.from_pylist(credits, pa.schema([*of_credits, ("credit", pa.float64())])),
        pa.Table.from_pylist(rows, pa.schema(list(schema.items()))),
    ).to_pylist()
    by_id = {row["impression_id"]: row for row in rows}
    mine = [row for row in credits if row["impression_id"] in by_id]
    assert len(found) == len(mine)
    for event, row in zip(found, mine, strict=True):
        seen = by_id[row["impression_id"]]
        assert (event["user_id"], event["arm_id"]) == (seen["user_id"], seen["arm_id"])
        assert event["occurred_at"] == seen["occurred_at"] + timedelta(seconds=row["lag_seconds"])
        assert event["landed_at"] == datetime.combine(row["ds"], datetime.min.time(), UTC) + timedelta(days=1)
        assert (event["credit"], event["lag_seconds"]) == (row["credit"], pytest.approx(row["lag_seconds"]))
