"""A table that exists when its contract changes: columns that are added, constraints that follow."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.contracts import Column, Contract, delta, load
from nightslate.errors import SpecError
from nightslate.tables import Table, Warehouse

AGE = Column(name="age", type="double")

WRITER = """
import sys
from datetime import date, timedelta
from pathlib import Path
from nightslate.contracts import Column, load
from nightslate.tables import Warehouse
from tests.integration.tables.rows import MONDAY, rows

contract = load("references").with_columns([Column(name="age", type="double")])
table = Warehouse(Path(sys.argv[1])).table("shop", contract)
which = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
table.replace(MONDAY + timedelta(days=which), rows(which).append_column("age", [[float(which)]]), {})
"""


def with_age(home: Path) -> Table:
    return Warehouse(home).table("shop", load("references").with_columns([AGE]))


def stored(table: Table) -> dict[str, str]:
    """The constraints, name -> SQL, as anybody finds them in the table."""
    configuration = DeltaTable(table.path).metadata().configuration
    prefix = "delta.constraints."
    return {
        name.removeprefix(prefix): text for name, text in configuration.items() if name.startswith(prefix)
    }


def shown(*slots: int) -> pa.Table:
    """Impressions, one a slot."""
    schema = pa.schema(delta.schema(load("impressions")).to_arrow())
    return pa.Table.from_pylist(
        [
            {
                "impression_id": f"i{slot}",
                "decision_id": "d",
                "user_id": "0" * 32,
                "occurred_at": 0,
                "slot": slot,
                "arm_id": "a",
                "propensity": 0.5,
                "ds": MONDAY,
            }
            for slot in slots
        ],
        schema,
    ).drop_columns(["ds"])


def impressions(home: Path, slots: int) -> Table:
    return Warehouse(home).table("shop", load("impressions").with_maximum("slot", slots))


def test_older_rows_have_nulls_in_an_added_column(table: Table, tmp_path: Path) -> None:
    table.replace(MONDAY, rows(1), {})
    grown = with_age(tmp_path)
    assert grown.snapshot().to_arrow()["age"].to_pylist() == [None]
    grown.replace(TUESDAY, rows(2).append_column("age", [[40.0]]), {})
    assert grown.snapshot().to_arrow()["age"].to_pylist() == [None, 40]
    assert DeltaTable(table.path).to_pyarrow_table().sort_by("ds")["age"].to_pylist() == [None, 40]
    assert stored(grown)["age_is_finite"] == "age IS NULL OR NOT isnan(age * 0)"
    assert grown.snapshot(0).to_arrow(columns=["age", "ds"]).num_rows == 0


def test_reading_adds_no_column(table: Table, tmp_path: Path) -> None:
    table.replace(MONDAY, rows(1), {})
    version = table.snapshot().version
    with_age(tmp_path).snapshot().to_arrow()
    with_age(tmp_path).history(MONDAY)
    assert table.snapshot().version == version


def test_a_day_from_before_the_column_can_be_rolled_back_to(table: Table, tmp_path: Path) -> None:
    old = table.replace(MONDAY, rows(1), {})
    grown = with_age(tmp_path)
    grown.replace(MONDAY, rows(2).append_column("age", [[40.0]]), {})
    grown.rollback(MONDAY, old)
    assert grown.snapshot().to_arrow().select(["reward", "age"]).to_pylist() == [{"reward": 1, "age": None}]


def test_a_column_that_delta_cannot_constrain_is_not_added(table: Table, tmp_path: Path) -> None:
    table.replace(MONDAY, rows(1), {})
    changed = load("references").with_columns([Column(name="interval", type="double")])
    with pytest.raises(SpecError, match="like an SQL keyword"):
        Warehouse(tmp_path).table("shop", changed).replace(
            TUESDAY, rows(2).append_column("interval", [[1.0]]), {}
        )
    assert rewards(table) == [1]
    table.replace(TUESDAY, rows(2), {})


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (None, "the table holds age double, which is not declared"),
        (replace(AGE, type="string"), "age string is declared, the table holds age double"),
        (replace(AGE, name="size", required=True), "size double not null is new and would have to be null"),
    ],
)
def test_a_column_that_left_or_changed_is_one_clear_error(
    tmp_path: Path, column: Column | None, said: str
) -> None:
    with_age(tmp_path).replace(MONDAY, rows(1).append_column("age", [[40.0]]), {})
    declared = [column] if column and column.name == "age" else [AGE, column] if column else []
    table = Warehouse(tmp_path).table("shop", load("references").with_columns(declared))
    with pytest.raises(SpecError, match=rf"shop/references/: {said}.*move the table away and backfill it"):
        table.snapshot()


def test_nights_at_once_add_a_column_once(table: Table, tmp_path: Path) -> None:
    table.replace(MONDAY, rows(0), {})
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(which)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        for which in (1, 2, 3)
    ]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    grown = with_age(tmp_path)
    assert grown.snapshot().to_arrow()["age"].to_pylist() == [None, 1, 2, 3]
    operations = [entry["operation"] for entry in DeltaTable(table.path).history()]
    assert operations.count("ADD COLUMN") == 1
    assert operations.count("WRITE") == 4


def test_constraints_follow_the_slots_of_the_program(tmp_path: Path) -> None:
    impressions(tmp_path, 2).replace(MONDAY, shown(1, 2), {})
    assert stored(impressions(tmp_path, 2))["slot_at_most"] == "slot <= 2"
    impressions(tmp_path, 3).replace(TUESDAY, shown(3), {})
    assert stored(impressions(tmp_path, 3))["slot_at_most"] == "slot <= 3"


def test_fewer_slots_leave_out_what_earlier_rows_break(tmp_path: Path) -> None:
    impressions(tmp_path, 3).replace(MONDAY, shown(1, 3), {})
    fewer = impressions(tmp_path, 2)
    fewer.replace(TUESDAY, shown(2), {})
    assert "slot_at_most" not in stored(fewer)
    assert stored(fewer)["slot_at_least"] == "slot >= 1"
    version = fewer.snapshot().version
    assert fewer.replace(TUESDAY, shown(1), {}) == version + 1  # nothing is tried again


def as_it_was(contract: Contract, path: Path) -> None:
    """A table as it was made before constraints were told to Spark too."""
    table = DeltaTable.create(path, schema=delta.schema(contract), partition_by="ds")
    older = {
        name: text.replace("regexp_count(", "regexp_like(").replace(") = 1)", "))")
        for name, text in delta.constraints(contract).items()
    }
    table.alter.add_constraint(older)


def test_constraints_of_an_old_table_become_what_spark_parses(tmp_path: Path) -> None:
    table = impressions(tmp_path, 2)
    as_it_was(table.contract, table.path)
    assert stored(table)["user_id_pattern"] == "user_id ~ '^[0-9a-f]{32}$'"
    table.replace(MONDAY, shown(1, 2), {})
    fresh = impressions(tmp_path / "fresh", 2)
    fresh.replace(MONDAY, shown(1, 2), {})
    assert stored(table) == stored(fresh)
    assert stored(table)["user_id_pattern"] == "regexp_count(user_id, '^[0-9a-f]{32}$') = 1"
    bad = table.snapshot().to_arrow()
    bad = bad.set_column(2, bad.schema.field(2), [["nobody", "nobody"]])
    with pytest.raises(Exception, match="failed validation"):
        write_deltalake(table.path, bad, mode="append")


def test_constraints_that_others_added_stay(table: Table) -> None:
    table.replace(MONDAY, rows(1), {})
    DeltaTable(table.path).alter.add_constraint({"theirs": "reward < 10"})
    changed = replace(table, contract=table.contract.with_maximum("impressions", 100))
    changed.replace(TUESDAY, rows(2), {})
    assert stored(changed)["theirs"] == "reward < 10"
    assert stored(changed)["impressions_at_most"] == "impressions <= 100"
