"""Some of the rows of a file: which are read, and which of its row groups are looked at."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from nightslate.errors import DamageError
from nightslate.tables.files import Filter, UserRange, rows_of_file

TODAY, BEFORE = date(2026, 3, 2), date(2026, 3, 1)
SCHEMA = pa.schema([("user_id", pa.string()), ("since", pa.date32()), ("ds", pa.date32())])
OF_TODAY = Filter(pc.field("since") == pc.field("ds"), ("since", "ds"))
OR_UNKNOWN = Filter(OF_TODAY.expression | pc.field("odds").is_null(), ("since", "ds", "odds"))
PARTITION = {"ds": TODAY}


def stored(path: Path, since: list[date], **more: list[float | None]) -> Path:
    """Two rows a group."""
    ids = [f"{number:08x}" for number in range(len(since))]
    columns = {name: pa.array(values, pa.float64()) for name, values in more.items()}
    rows = pa.table({"user_id": ids, "since": pa.array(since, pa.date32()), **columns})
    pq.write_table(rows, path, row_group_size=2)
    return path


def looked_at(which: Filter, path: Path, schema: pa.Schema = SCHEMA) -> list[int]:
    return [group.id for group in which.groups(path, schema, PARTITION)]


def test_rows_are_those_for_which_it_holds_in_their_order(tmp_path: Path) -> None:
    path = stored(tmp_path / "rows.parquet", [TODAY, BEFORE, BEFORE, BEFORE, BEFORE, TODAY])
    found = rows_of_file(path, SCHEMA, PARTITION, which=OF_TODAY)
    assert found["user_id"].to_pylist() == ["00000000", "00000005"]
    assert looked_at(OF_TODAY, path) == [0, 2]
    some = rows_of_file(path, SCHEMA, PARTITION, UserRange(0, 2**31), OF_TODAY)
    assert some["user_id"].to_pylist() == ["00000000"]


def test_a_group_is_left_out_by_the_day_of_the_file_alone(tmp_path: Path) -> None:
    path = stored(tmp_path / "rows.parquet", [BEFORE] * 4)
    assert looked_at(OF_TODAY, path) == []
    assert [group.id for group in OF_TODAY.groups(path, SCHEMA, {"ds": BEFORE})] == [0, 1]


def test_unknown_values_are_found_also_in_a_file_that_is_older_than_the_column(tmp_path: Path) -> None:
    schema = SCHEMA.append(pa.field("odds", pa.float64()))
    path = stored(tmp_path / "rows.parquet", [BEFORE] * 4, odds=[0.5, 0.5, 0.5, None])
    assert looked_at(OR_UNKNOWN, path, schema) == [1]
    assert rows_of_file(path, schema, PARTITION, which=OR_UNKNOWN)["user_id"].to_pylist() == ["00000003"]
    older = stored(tmp_path / "older.parquet", [BEFORE] * 4)
    assert looked_at(OR_UNKNOWN, older, schema) == [0, 1]
    assert rows_of_file(older, schema, PARTITION, which=OR_UNKNOWN).num_rows == 4


def test_without_statistics_all_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = pa.table({"user_id": ["00000000"], "since": pa.array([BEFORE], pa.date32())})
    pq.write_table(rows, path, write_statistics=False)
    assert looked_at(OF_TODAY, path) == [0]


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match=r"rows\.parquet"):
        OF_TODAY.groups(tmp_path / "rows.parquet", SCHEMA, PARTITION)
