"""Who is in which variant on nights whose program changes its shares."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from nightslate.errors import ContractError
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of

from . import world

HALVES = {"a": 0.5, "b": 0.5}
WITH_ANOTHER = {"a": 0.5, "b": 0.25, "another": 0.25}


def night(home: Path, number: int, shares: dict[str, float], **experiment: Any) -> IssueNight:
    variants = {name: {"share": share, "policy": "uniform"} for name, share in shares.items()}
    spec = yaml.safe_load(world.SPEC) | {"variants": variants, "experiment": experiment}
    return night_of(spec, home, world.DAYS[number])


def scored(home: Path, number: int, shares: dict[str, float] = HALVES, **experiment: Any) -> dict[str, str]:
    """The variant of each user in the slates of a night, which are published."""
    tonight = night(home, number, shares, **experiment)
    for step in ("ingest", "attribute", "train", "score", "audit", "publish"):
        run_step(step, tonight)
    slates = rows(home, "slates", tonight.slate_date)
    return dict(slates.select("user_id", "variant").rows())


def rows(home: Path, table: str, day: date) -> pl.DataFrame:
    found = pl.read_delta(str(home / "tables" / world.PROGRAM / table))
    return found.filter(pl.col("slate_date") == day)


def test_an_added_variant_moves_nobody_between_the_others(landed: Path) -> None:
    before, after = scored(landed, 0), scored(landed, 1, WITH_ANOTHER)

    moves = {(before[user], after[user]) for user in before if before[user] != after[user]}
    assert moves == {("b", "another")}
    found = rows(landed, "assignments", world.DAYS[1] + timedelta(days=1))
    assert dict(found.select("user_id", "variant").rows()) == after
    assert dict(found.select("variant", "probability").unique().rows()) == WITH_ANOTHER
    reasons = {(row["variant"], row["reason"], str(row["since"])) for row in found.to_dicts()}
    assert reasons == {
        ("a", "assigned", "2024-03-02"),
        ("b", "assigned", "2024-03-02"),
        ("another", "moved", "2024-03-03"),
    }


def test_an_old_night_that_runs_again_deals_as_it_did(landed: Path) -> None:
    before = scored(landed, 0)
    scored(landed, 1, WITH_ANOTHER)
    assert scored(landed, 0) == before
    assert scored(landed, 2, WITH_ANOTHER) == scored(landed, 1, WITH_ANOTHER)


def test_another_salt_deals_users_anew_and_is_another_experiment(landed: Path) -> None:
    before, after = scored(landed, 0), scored(landed, 1, salt="second")
    assert before != after
    found = rows(landed, "assignments", world.DAYS[1] + timedelta(days=1))
    assert set(found["experiment"]) == {"second"}
    assert set(found["reason"]) == {"assigned"}


def test_assignments_are_recorded_from_the_start_on(landed: Path) -> None:
    start = world.DAYS[1] + timedelta(days=1)
    for number in (0, 1):
        scored(landed, number, start=start)
    found = pl.read_delta(str(landed / "tables" / world.PROGRAM / "assignments"))
    assert found["slate_date"].unique().to_list() == [start]


def test_a_slate_of_another_variant_than_its_users_is_not_published(landed: Path) -> None:
    tonight = night(landed, 0, HALVES)
    for step in ("ingest", "attribute", "train", "score"):
        run_step(step, tonight)
    slates, allocations = tonight.table("slates"), tonight.table("allocations")
    held = allocations.rows(tonight.slate_date, tonight.slate_date)
    swapped = held.set_column(held.schema.get_field_index("variant"), "variant", pa.array(["b", "a"]))
    allocations.replace(tonight.slate_date, swapped, {})
    staged = slates.staged(tonight.slate_date)
    assert sum(pq.read_metadata(file.path).num_rows for file in staged.data_files) == world.USERS
    with pytest.raises(ContractError, match="of another variant than its user is in: 40 rows"):
        run_step("audit", tonight)
