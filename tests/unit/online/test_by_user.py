"""Rows by user, from files that are mapped into memory."""

import gc
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

from nightslate.engines import Input, work
from nightslate.kernels.buckets import buckets_of
from nightslate.online.by_user import ByUser, by_user
from nightslate.tables import DataFile

BUCKETS, USERS = 3, 40
Rows = tuple[pa.Table, list[DataFile]]


def pseudonym(number: int) -> str:
    return f"{number * 7919:032x}"


@pytest.fixture
def written(tmp_path: Path) -> Rows:
    """Two days of each bucket."""
    random = np.random.default_rng(1)
    users = [pseudonym(number) for number in random.integers(USERS, size=2000)]
    rows = pa.table({"user_id": users, "n": np.arange(2000), "page": random.choice(["a", "b"], 2000)})
    bucket, files = buckets_of(rows, BUCKETS), []
    for day in range(2):
        for of in range(BUCKETS):
            mine = rows.filter(pa.array((bucket == of) & (np.arange(2000) % 2 == day))).sort_by("user_id")
            path = tmp_path / f"ds=2026-01-0{day + 1}" / f"bucket={of}" / "part.parquet"
            path.parent.mkdir(parents=True)
            pyarrow.parquet.write_table(mine, path)
            files.append(DataFile(path, date(2026, 1, day + 1), of, mine.num_rows, path.stat().st_size))
    return rows, files


def asked(user: str) -> pa.Table:
    return pa.table({"user_id": [user]})


def of_files(written: Rows, folder: Path) -> ByUser:
    schema = pa.schema([("user_id", pa.string()), ("n", pa.int64()), ("page", pa.string())])
    return ByUser(Input(written[1], schema), BUCKETS, lambda rows: rows, folder)


@pytest.mark.parametrize("rows_of_a_unit", [100, 1_000_000])
def test_each_user_has_all_of_its_rows_and_nobody_else_s(
    written: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_a_unit: int
) -> None:
    monkeypatch.setattr(work, "ROWS_OF_A_UNIT", rows_of_a_unit)
    found = of_files(written, tmp_path / "scratch")
    for number in range(USERS + 3):
        user = pseudonym(number)
        mine = written[0].filter(pc.field("user_id") == user)
        rows = found.of(asked(user))
        assert rows.schema == mine.schema
        assert rows.sort_by("n").to_pylist() == mine.to_pylist()
    assert not [*(tmp_path / "scratch").iterdir()]


def test_rows_are_not_held_in_memory(written: Rows, tmp_path: Path) -> None:
    gc.collect()
    before = pa.total_allocated_bytes()
    found = of_files(written, tmp_path)
    gc.collect()
    assert pa.total_allocated_bytes() - before < 0.1 * written[0].nbytes
    assert found.of(asked(written[0]["user_id"][0].as_py())).num_rows > 1


def test_rows_that_are_gone_through_by_user(written: Rows) -> None:
    parts = dict(by_user(written[0]))
    assert sum(rows.num_rows for rows in parts.values()) == 2000
    assert all(set(rows["user_id"].to_pylist()) == {user} for user, rows in parts.items())
