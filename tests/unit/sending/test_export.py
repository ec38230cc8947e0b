"""Sends as files, whatever arms are called."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightslate.errors import ContractError
from nightslate.sending.export import export

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")


def sends(*arms):
    return pa.table({"arm_id": pa.array(arms, pa.string()), "propensity": pa.array([0.25] * len(arms))})


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [row["arm_id"] for row in csv.DictReader(file)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.lists(
        st.builds(str.__add__, st.sampled_from([*BEGINNINGS, "", "a", '"', ","]), st.text("=+-@,\"' ab")),
        min_size=1,
    )
)
def test_no_cell_of_csv_begins_as_a_formula_does_and_all_others_are_as_they_were(tmp_path: Path, arms):
    path = tmp_path / "sends.csv"
    export(sends(*arms), path, tmp_path / "table")
    assert cells(path) == [f"'{arm}" if arm.startswith(BEGINNINGS) else arm for arm in arms]


def test_parquet_has_what_the_table_has(tmp_path: Path):
    rows = sends("=1+1", "letter")
    export(rows, tmp_path / "sends.parquet", tmp_path / "table")
    assert pyarrow.parquet.read_table(tmp_path / "sends.parquet").equals(rows)


def test_a_file_that_is_not_written_whole_is_not_there(tmp_path: Path, monkeypatch):
    path = tmp_path / "sends.csv"
    path.write_text("of yesterday")

    def cut_short(table, draft):
        draft.write_text("arm_")
        raise ContractError("the disk is full")

    monkeypatch.setattr("nightslate.sending.export.write", cut_short)
    with pytest.raises(ContractError, match="the disk is full"):
        export(sends("letter"), path, tmp_path / "table")
    assert path.read_text() == "of yesterday"
    assert [file.name for file in tmp_path.iterdir()] == ["sends.csv"]


@pytest.mark.parametrize(("name", "said"), [("sends.xlsx", "ends in .xlsx"), ("no/sends.csv", "no folder")])
def test_what_can_not_be_written_is_said_before_anything_is(tmp_path: Path, name, said):
    with pytest.raises(ContractError, match=said):
        export(sends("letter"), tmp_path / name, tmp_path / "table")
