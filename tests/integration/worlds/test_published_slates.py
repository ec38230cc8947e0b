"""What a rec engine reads of the slates."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.fs import DeltaStorageHandler

from nightslate.worlds.published_slates import newest_slates

DAY = date(2024, 3, 1)


def test_the_slates_of_the_day_are_read_by_arrow_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files that pass through Python, Arrow's threads let go late, which has ended processes by abort."""
    slates = [
        {
            "slate_date": day,
            "slate_id": f"{user} {day}",
            "user_id": user,
            "variant": "all",
            "ranking": [user, "z"],
        }
        for day in (DAY, DAY + timedelta(days=1))
        for user in ("b", "a")
    ]
    write_deltalake(tmp_path / "slates", pa.Table.from_pylist(slates), partition_by=["slate_date"])

    def opened(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(DeltaStorageHandler, "open_input_file", opened)
    found = newest_slates(tmp_path / "slates", DAY, pa.array(["a", "nobody", "b"])).to_pylist()
    assert [row["slate_id"] for row in found] == [f"a {DAY}", None, f"b {DAY}"]
    assert [row["ranking"] for row in found] == [["a", "z"], None, ["b", "z"]]
