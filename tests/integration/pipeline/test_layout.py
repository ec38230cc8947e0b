"""How ingest lays rows out in files."""

from pathlib import Path

import pyarrow.parquet

from . import world


def test_a_users_rows_lie_together_in_order_of_time(landed: Path) -> None:
    world.run_night(landed, world.DAYS[0], ("ingest",))

    for log, key in (("impressions", "impression_id"), ("outcomes", "outcome_id")):
        files = sorted((landed / "tables" / world.PROGRAM / log).rglob("*.parquet"))
        assert len(files) == 2
        for file in files:
            columns = ["user_id", "occurred_at", key]
            rows = pyarrow.parquet.ParquetFile(file).read(columns=columns).to_pylist()
            places = [tuple(row.values()) for row in rows]
            assert places == sorted(places)
