"""Buckets that are gone through some users at a time: the same tables as at once."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from nightslate.pipeline.plan import STEPS
from tests.integration.nights import PAGES

from . import world


def exactly(value: Any) -> Any:
    """A value whose floats are as close as sums in another order are."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)
    return [exactly(one) for one in value] if isinstance(value, list) else value


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    stored = DeltaTable(home / "tables" / world.PROGRAM / table).to_pyarrow_table()
    return sorted(
        stored.to_pylist(), key=lambda row: repr([v for v in row.values() if not isinstance(v, float)])
    )


def test_some_users_at_a_time_make_the_same_tables(
    three_nights: Path, landed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightslate.engines.work.ROWS_OF_A_UNIT", 50)
    monkeypatch.setattr("nightslate.tables.staging._ROWS_OF_A_GROUP", 16)
    for day in world.DAYS:
        world.run_night(landed, day, but=PAGES)

    files = [path.name for path in (landed / "tables" / world.PROGRAM / "credits").rglob("*.parquet")]
    assert len(files) > 2 * len(world.DAYS)  # else a bucket has been one unit
    of_pages = {table for step in STEPS if step.name in PAGES for table in step.writes}
    there = {path.name for path in (three_nights / "tables" / world.PROGRAM).iterdir()}
    for table in sorted(there - of_pages):
        left, right = rows(three_nights, table), rows(landed, table)
        assert len(left) == len(right), table
        for one, other in zip(left, right, strict=True):
            digests = {"digest", "model_digest", "slate_id"}  # of models whose sums differ in the last bit
            assert {k: v for k, v in one.items() if k not in digests} == {
                k: exactly(v) for k, v in other.items() if k not in digests
            }, table
