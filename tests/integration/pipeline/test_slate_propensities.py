"""An engine that shows published slates, knows no propensity, and logs which arms it let through."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nightslate.contracts import arrow
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.running import run_step

from . import world

LAST = world.DAYS[-1]
DAY = LAST + timedelta(days=1)
Row = dict[str, Any]


def test_what_an_engine_shows_of_slates_gets_the_propensities_of_the_arms_it_let_through(
    copied: Callable[[], Path],
) -> None:
    """Of slates for the day that were replaced since, and of those of the day before."""
    home = copied()
    slates = _slates(home)
    shown = [row for user in range(world.USERS) for row in _shown_to(user, slates)]
    shown[0]["arm_id"], shown[1]["arm_id"] = shown[1]["arm_id"], shown[0]["arm_id"]
    world.land(home, DAY, shown, [])
    night = world.night(home, DAY)
    table = night.table("slates")
    table.replace(DAY, arrow.schema(table.contract, partition=False).empty_table(), {})
    logs = night.program.logs.model_copy(update={"propensity": "conditional"})

    run_step("ingest", replace(night, program=night.program.model_copy(update={"logs": logs})))

    rows = pl.read_delta(str(home / "tables/tiny/impressions")).filter(pl.col("ds") == DAY)
    assert len(rows) == len(shown) - 2
    for row in rows.iter_rows(named=True):
        slate = slates[row["slate_id"]]
        assert row["propensity"] == pytest.approx(_propensity(slate, row), rel=1e-12)
        assert row["variant"] == slate["variant"]
        assert row["policy"] == slate["policy"]
    rejected = pl.read_delta(str(home / "tables/tiny/quarantine")).filter(pl.col("ds") == DAY)
    assert rejected["reason"].to_list() == ["not_of_slate"] * 2
    assert rejected["file"].to_list() == ["part-0.parquet"] * 2
    assert not rejected["row"].str.contains("propensity").any()


def _slates(home: Path) -> dict[str, Row]:
    table = pl.read_delta(str(home / "tables/tiny/slates")).filter(pl.col("slate_date") >= LAST)
    return {slate["slate_id"]: slate for slate in table.iter_rows(named=True)}


def _shown_to(user: int, slates: dict[str, Row]) -> Iterator[Row]:
    """Two arms of the slate of the day, as it is and without an arm; two of the slate of the day before."""
    (pseudonym,) = Pseudonymiser.from_environment()(pa.array([f"user-{user}"])).to_pylist()
    (today,) = [s for s in slates.values() if (s["user_id"], s["slate_date"]) == (pseudonym, DAY)]
    (before,) = [s for s in slates.values() if (s["user_id"], s["slate_date"]) == (pseudonym, LAST)]
    some = [arm for arm in world.ARMS if arm != world.ARMS[user % 4]]
    for number, (slate, eligible) in enumerate([(today, None), (today, some), (before, some)]):
        left = [arm for arm in slate["ranking"] if eligible is None or arm in eligible]
        for slot, arm in enumerate(left[:2], start=1):
            yield {
                "impression_id": f"{user}-{number}-{slot}",
                "decision_id": f"{user}-{number}",
                "user_id": f"user-{user}",
                "occurred_at": _noon(DAY),
                "slot": slot,
                "arm_id": arm,
                "slate_id": slate["slate_id"],
                "eligible_arms": eligible,
                "segment": world.segment(user),
                "age": 20.0 + user,
            }


def _propensity(slate: Row, row: Row) -> float:
    """Of the row's arm given those before it, by the definition."""
    weight = dict(zip(slate["candidates"], np.array(slate["weights"], dtype=np.float64), strict=True))
    left = [arm for arm in slate["ranking"] if arm in (row["eligible_arms"] or world.ARMS)]
    assert left[row["slot"] - 1] == row["arm_id"]
    allowed = set(row["eligible_arms"] or world.ARMS) - set(left[: row["slot"] - 1])
    return float(weight[row["arm_id"]] / sum(weight[arm] for arm in allowed))


def _noon(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
