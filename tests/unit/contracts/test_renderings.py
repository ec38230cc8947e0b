"""Every engine must see the same table, and judge the same rows good and bad."""

import json
import math
from pathlib import Path
from typing import Any

import great_expectations as gx
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from nightslate.contracts import Column, Contract, arrow, delta, expectations, load, tables

PROBE = Contract(
    name="probe",
    description="",
    grain="",
    columns=(
        Column(name="id", type="string", required=True, pattern="^[0-9a-f]{4}$"),
        Column(name="share", type="double", exclusive_minimum=0, maximum=1),
        Column(name="alpha", type="double", minimum=0, exclusive_maximum=1),
        Column(name="level", type="float"),
        Column(name="rows", type="bigint", minimum=1),
        Column(name="kind", type="string", allowed=("boot'strap", "other")),
        Column(name="label", type="string", min_length=1, max_length=3),
        Column(name="place", type="string", consent="agrees"),
        Column(name="agrees", type="boolean"),
        Column(name="day", type="string", required=True),
    ),
    key=("id",),
    partition="day",
)
GOOD: dict[str, Any] = {
    "id": "00af",
    "share": 0.5,
    "alpha": 0.5,
    "level": -2.0,
    "rows": 1,
    "kind": "other",
    "label": "abc",
    "place": "here",
    "agrees": True,
    "day": "monday",
}
GOOD_VALUES: list[tuple[str, Any]] = [
    ("share", 1.0),
    ("share", 5e-324),
    ("share", None),
    ("alpha", 0.0),
    ("alpha", None),
    ("level", 3.0e38),
    ("level", None),
    ("rows", 2**40),
    ("rows", None),
    ("kind", "boot'strap"),
    ("kind", None),
    ("id", "abcd"),
    ("label", "ü😀ß"),
    ("label", None),
    ("place", None),
]
BAD_VALUES: list[tuple[str, Any, list[str]]] = [
    ("id", None, ["id is required"]),
    ("id", "00AF", ["id matches ^[0-9a-f]{4}$"]),
    ("id", "00af\n", ["id matches ^[0-9a-f]{4}$"]),
    ("id", "", ["id matches ^[0-9a-f]{4}$"]),
    ("share", 0.0, ["share > 0"]),
    ("share", -0.5, ["share > 0"]),
    ("share", 1.0000000000000002, ["share <= 1"]),
    ("share", math.nan, ["share is finite", "share > 0", "share <= 1"]),
    ("share", math.inf, ["share is finite", "share <= 1"]),
    ("share", -math.inf, ["share is finite", "share > 0"]),
    ("alpha", 1.0, ["alpha < 1"]),
    ("alpha", -1e-300, ["alpha >= 0"]),
    ("alpha", math.nan, ["alpha is finite", "alpha >= 0", "alpha < 1"]),
    ("level", math.nan, ["level is finite"]),
    ("level", math.inf, ["level is finite"]),
    ("rows", 0, ["rows >= 1"]),
    ("rows", -5, ["rows >= 1"]),
    ("kind", "Other", ["kind is one of boot'strap, other"]),
    ("label", "", ["label has 1 to 3 characters"]),
    ("label", "abcd", ["label has 1 to 3 characters"]),
    ("kind", "", ["kind is one of boot'strap, other"]),
    ("agrees", False, ["place is null without agrees"]),
    ("agrees", None, ["place is null without agrees"]),
]
CASES = [(name, value, list[str]()) for name, value in GOOD_VALUES] + BAD_VALUES


def rows() -> list[dict[str, Any]]:
    """One row a case, each with one value changed."""
    return [GOOD | {name: value} for name, value, _ in CASES]


def lenient_schema() -> pa.Schema:
    return arrow.types(PROBE.columns)


@pytest.mark.parametrize("table", tables())
def test_every_engine_sees_the_same_columns(table: str) -> None:
    contract = load(table).with_columns([Column(name="extra", type="double")])
    columns = [(column.name, not column.required) for column in contract.columns]
    in_arrow = arrow.schema(contract)
    in_delta = pa.schema(delta.schema(contract).to_arrow())
    in_spark = schema_in_spark(contract)
    assert [(field.name, field.nullable) for field in in_arrow] == columns
    assert in_delta == in_arrow
    assert arrow.types(contract.columns) == pa.schema([field.with_nullable(True) for field in in_arrow])
    assert [(field.name, field.nullable) for field in in_spark] == columns
    assert [field.dataType.simpleString() for field in in_spark] == [c.type for c in contract.columns]
    assert arrow.schema(contract, partition=False) == in_arrow.remove(len(in_arrow) - 1)
    clauses = [clause.text for clause in contract.clauses()]
    key = [f"({', '.join(contract.key)}) is unique"] if contract.key else []
    in_gx = [expectation.meta["clause"] for expectation in expectations.suite(contract).expectations]
    assert in_gx == clauses + key
    required = sum(column.required for column in contract.columns)
    assert len(delta.constraints(contract)) == len(clauses) - required


def schema_in_spark(contract: Contract) -> StructType:
    """As Spark has it that reads the table: Delta writes its schema in Spark's JSON."""
    return StructType.fromJson(json.loads(delta.schema(contract).to_json()))


def test_arrow_judges_row_by_row() -> None:
    for row, (name, value, broken) in zip(rows(), CASES, strict=True):
        dataset = ds.dataset(pa.Table.from_pylist([row], lenient_schema()))
        found = [c.text for c in PROBE.clauses() if dataset.count_rows(filter=arrow.violated(c))]
        assert found == broken, (name, value)


def test_delta_refuses_what_breaks_a_clause(tmp_path: Any) -> None:
    table = DeltaTable.create(tmp_path, schema=delta.schema(PROBE))
    table.alter.add_constraint(delta.constraints(PROBE))
    for row, (_, _, broken) in zip(rows(), CASES, strict=True):
        data = pa.Table.from_pylist([row], lenient_schema())
        if broken:
            with pytest.raises(Exception, match=r"(?i)violat|invalid data|null"):
                write_deltalake(tmp_path, data, mode="append")
        else:
            write_deltalake(tmp_path, data, mode="append")
    assert DeltaTable(tmp_path).to_pyarrow_table().num_rows == len(GOOD_VALUES)


def test_delta_takes_the_constraints_of_every_table(tmp_path: Any) -> None:
    for name in tables():
        contract = load(name)
        table = DeltaTable.create(tmp_path / name, schema=delta.schema(contract))
        wanted = delta.constraints(contract)
        if wanted:
            table.alter.add_constraint(wanted)
        stored = DeltaTable(tmp_path / name).metadata().configuration
        assert stored.keys() == {f"delta.constraints.{clause}" for clause in wanted}


def stored_constraints(folder: Path, contract: Contract) -> dict[str, str]:
    """What delta-rs makes of the constraints, name -> SQL."""
    table = DeltaTable.create(folder, schema=delta.schema(contract))
    table.alter.add_constraint(delta.constraints(contract))
    return {
        name.removeprefix("delta.constraints."): text
        for name, text in DeltaTable(folder).metadata().configuration.items()
    }


def test_spark_judges_by_what_delta_stores(spark: SparkSession, tmp_path: Path) -> None:
    """Whoever deletes or merges with Spark evaluates these very texts."""
    schema = schema_in_spark(PROBE)
    for field in schema.fields:
        field.nullable = True
    stored = stored_constraints(tmp_path, PROBE)
    clauses = [c for c in PROBE.clauses() if c.rule != "required"]
    names = list(delta.constraints(PROBE))
    assert stored.keys() == set(names)
    judged = spark.createDataFrame(rows(), schema).select(*(F.expr(stored[name]) for name in names))
    for verdict, (name, value, broken) in zip(judged.collect(), CASES, strict=True):
        found = [clause.text for clause, kept in zip(clauses, verdict, strict=True) if kept is False]
        # To Spark NaN is above every number, and `$` matches before a final line break.
        told = [text for text in broken if "required" not in text and value != "00af\n"]
        told = [text for text in told if value == value or ">" not in text]
        assert found == told, (name, value)


@pytest.mark.parametrize("name", tables())
def test_spark_parses_every_stored_constraint(spark: SparkSession, tmp_path: Path, name: str) -> None:
    contract = load(name).with_columns([Column(name="extra", type="double")])
    empty = spark.createDataFrame([], schema_in_spark(contract))
    for text in stored_constraints(tmp_path, contract).values():
        assert empty.filter(text).columns == empty.columns


def test_great_expectations_judges_row_by_row() -> None:
    """To pandas NaN is a missing value."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    frame = pa.Table.from_pylist(rows(), lenient_schema()).to_pandas()
    source = context.data_sources.add_pandas("rows")
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    result = batch.get_batch({"dataframe": frame}).validate(expectations.suite(PROBE))
    counts = {
        r.expectation_config.meta["clause"]: r.result["unexpected_count"]
        for r in result.results
        if "unique" not in r.expectation_config.meta["clause"]
    }
    assert counts == {
        clause.text: sum(clause.text in broken and value == value for _, value, broken in CASES)
        for clause in PROBE.clauses()
    }


def test_great_expectations_sees_a_key_twice() -> None:
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    definition = batch.add_batch_definition_whole_dataframe("all")
    once = pa.table({"issue": ["a", "a"], "learner": ["x", "y"], "digest": ["0" * 64] * 2, "rows": [1, 1]})
    once = once.append_column("arms", pa.array([1, 1])).append_column("ds", pa.array(["d", "d"]))
    for name in ("reward_low", "reward_high"):
        once = once.append_column(name, pa.array([0.0, 1.0]))
    suite = expectations.suite(load("models"))
    assert definition.get_batch({"dataframe": once.to_pandas()}).validate(suite).success
    twice = pa.concat_tables([once, once.slice(1)]).to_pandas()
    (failed,) = [
        r for r in definition.get_batch({"dataframe": twice}).validate(suite).results if not r.success
    ]
    assert failed.expectation_config.meta["clause"] == "(issue, learner) is unique"
