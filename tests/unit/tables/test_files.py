"""What the footer of a file says of its columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightslate.errors import DamageError
from nightslate.tables.files import may_have_any


@pytest.mark.parametrize(
    ("lists", "has"),
    [([None, None], False), ([None, [0.5]], True), ([[], None], False), ([], False)],
)
def test_lists_without_items_are_no_values(
    tmp_path: Path, lists: list[list[float] | None], has: bool
) -> None:
    path = tmp_path / "rows.parquet"
    numbers = pa.array([each[0] if each else None for each in lists], pa.float64())
    columns = {"lists": pa.array(lists, pa.list_(pa.float64())), "numbers": numbers}
    pq.write_table(pa.table(columns), path, row_group_size=1)
    assert may_have_any(path, "lists") == may_have_any(path, "numbers") == has
    assert not may_have_any(path, "younger_than_the_file")


def test_a_file_without_statistics_may_have_some(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"numbers": pa.nulls(2, pa.float64())}), path, write_statistics=False)
    assert may_have_any(path, "numbers")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match=r"rows\.parquet"):
        may_have_any(tmp_path / "rows.parquet", "numbers")
