"""Readers that never stop while a day's slates are published again and again."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from nightslate.contracts import arrow, load
from nightslate.tables import Warehouse
from tests.integration.tables.rows import MONDAY
from tests.integration.tables.test_readers import slate

from .conftest import Tell
from .processes import Process

pytestmark = pytest.mark.timeout(3600)

REPUBLISHES, USERS, BUCKETS = 50, 400, 4
Seen = list[tuple[str, int]]
"""What one look at the day has found: the digests of the models that made it, and how many slates each."""


def test_readers_while_a_day_is_published_fifty_times(tmp_path: Path, tell: Tell) -> None:
    publish(tmp_path, 0)
    table = tmp_path / "tables" / "shop" / "slates"
    seen: dict[str, list[Seen]] = {name: [] for name in READERS}
    with Process(tmp_path, "-m", "tests.drills.test_reading", str(tmp_path)) as writer:
        while writer.popen.poll() is None:
            for name, look in READERS.items():
                seen[name].append(look(str(table)))
        assert writer.wait() == 0, writer.said[-3000:]

    for name, looks in seen.items():
        assert all([slates for _, slates in look] == [USERS] for look in looks), f"{name} saw a mixture"
        numbers = [int(digest, 16) for ((digest, _),) in looks]
        assert numbers == sorted(numbers), f"{name} saw an older edition after a newer one"
        assert len(set(numbers)) > 5, f"{name} saw too little to tell"
    tell(
        f"{REPUBLISHES} publishes; "
        + ", ".join(
            f"{name} looked {len(looks)} times and saw {len({look[0] for look in looks})} editions"
            for name, looks in seen.items()
        )
        + "; never a mixture"
    )


def by_polars(table: str) -> Seen:
    rows = pl.read_delta(table).filter(pl.col("slate_date") == MONDAY)
    return sorted(rows.group_by("model_digest").len().rows())


def by_pyarrow(table: str) -> Seen:
    rows = DeltaTable(table).to_pyarrow_table(partitions=[("slate_date", "=", str(MONDAY))])
    counts = rows["model_digest"].value_counts()
    return sorted(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def by_duckdb(table: str) -> Seen:
    dataset = DeltaTable(table).to_pyarrow_dataset()  # noqa: F841 (DuckDB finds it by its name)
    query = "select model_digest, count(*) from dataset where slate_date = ? group by 1 order by 1"
    return duckdb.connect().execute(query, [MONDAY]).fetchall()


READERS: dict[str, Callable[[str], Seen]] = {
    "Polars": by_polars,
    "pyarrow": by_pyarrow,
    "DuckDB": by_duckdb,
}


def publish(home: Path, edition: int) -> None:
    """All slates of the day by the model of one edition, in several files."""
    table = Warehouse(home).table("shop", load("slates"))
    schema = arrow.schema(table.contract, partition=False)
    attempt = table.begin(MONDAY)
    for bucket in range(BUCKETS):
        numbers = range(bucket, USERS, BUCKETS)
        rows = [{**slate(number), "model_digest": f"{edition:064x}"} for number in numbers]
        attempt.write(pa.Table.from_pylist(rows, schema), bucket)
    table.publish(attempt.seal(), {})


if __name__ == "__main__":
    for edition in range(1, REPUBLISHES + 1):
        publish(Path(sys.argv[1]), edition)
        time.sleep(0.05)
