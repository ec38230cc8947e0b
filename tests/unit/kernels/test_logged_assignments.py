"""Who is in which variant by the impressions of a day."""

from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nightslate.kernels.logged_assignments import READ, logged_assignments, of_unknown_variants

DAY, SHARES = date(2024, 3, 1), {"old": 0.75, "new": 0.25}
SHOWN = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 3),
        st.sampled_from(["new", "old", "other", None]),
        st.integers(0, 99),
    ),
    max_size=40,
    unique_by=lambda row: row[3],
)


def impressions(rows):
    columns = zip(*rows, strict=True) if rows else [[], [], [], []]
    users, hours, variants, ids = (list(column) for column in columns)
    return pa.table(
        {
            "user_id": pa.array([f"u{user}" for user in users], pa.string()),
            "occurred_at": pa.array(
                [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in hours], pa.timestamp("us", "UTC")
            ),
            "impression_id": pa.array([f"i{each:02}" for each in ids], pa.string()),
            "variant": pa.array(variants, pa.string()),
        }
    ).select(READ)


@given(SHOWN)
def test_the_first_impression_that_names_one_of_the_variants_says_it(rows):
    shown = impressions(rows)
    found = logged_assignments(shown, "all", "salt", SHARES, DAY)

    first = (
        pl.DataFrame(pl.from_arrow(shown))
        .filter(pl.col("variant").is_in([*SHARES]))
        .sort("occurred_at", "impression_id")
        .unique("user_id", keep="first")
        .sort("user_id")
    )
    assert found["user_id"].to_pylist() == first["user_id"].to_list()
    assert found["variant"].to_pylist() == first["variant"].to_list()
    assert found["probability"].to_pylist() == [SHARES[name] for name in first["variant"]]
    assert {*found["since"].to_pylist()} <= {DAY}
    others = [variant for _, _, variant, _ in rows if variant not in SHARES]
    counted = of_unknown_variants(shown, SHARES).to_pylist()
    assert {row["variant"]: row["impressions"] for row in counted} == {
        name: others.count(name) for name in {*others}
    }
