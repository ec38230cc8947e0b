"""The table that the protocol tests write: `references`, small enough to read off a failure."""

from datetime import date

import pyarrow as pa

from nightslate.tables import Table

MONDAY = date(2026, 11, 16)
TUESDAY = date(2026, 11, 17)


def rows(*rewards: float) -> pa.Table:
    """One row a reward."""
    return pa.table(
        {
            "policy": [f"p{i}" for i in range(len(rewards))],
            "impressions": pa.array([10] * len(rewards), pa.int64()),
            "reward": pa.array(rewards, pa.float64()),
        }
    )


def rewards(table: Table, day: date | None = None) -> list[float]:
    """The rewards of a day (or of all days), as a reader finds them now."""
    found: list[float] = table.snapshot().to_arrow(day, day)["reward"].to_pylist()
    return found
