import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows, BadRowsError
from nightslate.files.reading import Unreadable, read


def text(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_columns_are_text_and_empty_is_null(tmp_path):
    rows = read(text(tmp_path / "a.csv", '\N{BOM}a,b\n007,NA\n\n,"x, y"\n'.replace("\N{BOM}", "\ufeff")))
    assert rows.table.to_pylist() == [{"a": "007", "b": "NA"}, {"a": None, "b": "x, y"}]


def test_a_ragged_line_keeps_its_place(tmp_path):
    rows = read(text(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n"))
    assert rows.table.to_pylist() == [
        {"a": "1", "b": "2"},
        {"a": None, "b": None},
        {"a": "4", "b": "5"},
        {"a": None, "b": None},
    ]
    assert rows.unreadable == {
        1: Unreadable("3", "the line has 1 columns, not 2"),
        3: Unreadable("6,7,8", "the line has 3 columns, not 2"),
    }


def test_a_line_that_is_no_object_keeps_its_place(tmp_path):
    rows = read(text(tmp_path / "a.jsonl", '{"a": 1}\n\nrubbish\n[2]\n{"a": 3, "b": "x"}\n'))
    assert rows.table.to_pylist() == [
        {"a": 1, "b": None},
        {"a": None, "b": None},
        {"a": None, "b": None},
        {"a": 3, "b": "x"},
    ]
    assert [(place, line.text) for place, line in rows.unreadable.items()] == [(1, "rubbish"), (2, "[2]")]


@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        (["1", '"x"'], ["1", "x"]),
        (["1", "2.5"], [1.0, 2.5]),
        (["true", "1"], ["true", "1"]),
        (["null", "1e999"], [None, float("inf")]),
        (["12345678901234567890", '"x"'], ["12345678901234567890", "x"]),
    ],
)
def test_mixed_values_of_a_json_column_become_text(tmp_path, values, read_as):
    lines = "".join(f'{{"a": {value}}}\n' for value in values)
    assert read(text(tmp_path / "a.ndjson", lines)).table["a"].to_pylist() == read_as


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,a\n1,2\n", "twice"),
        ("a.csv", b"a\n\xff\n", "cannot be read"),
        ("a.jsonl", "", "has no rows"),
        ("a.json", '[{"a": 1}]', "one object a line"),
        ("a.parquet", "PAR1 and nothing", "cannot be read"),
        ("a.xlsx", "x", "not in .parquet, .csv"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, name, content, says):
    with pytest.raises(ContractError, match=says):
        read(text(tmp_path / name, content))


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ContractError, match="there is no file"):
        read(tmp_path / "a.csv")


def test_a_parquet_file_is_read_alone(tmp_path):
    """The folder's name is no column."""
    (tmp_path / "day=1").mkdir()
    pq.write_table(pa.table({"a": [1.5]}), tmp_path / "day=1" / "a.parquet")
    assert read(tmp_path / "day=1" / "a.parquet").table.to_pylist() == [{"a": 1.5}]


def bad_rows(tmp_path):
    path = text(tmp_path / "a.csv", "a,b\n" + "".join(f"{k},x\n" for k in range(8)) + "9\n")
    bad = BadRows(read(path))
    bad.blame(np.array([False, True] * 4 + [False]), "odd")
    bad.blame(np.array([1, 2]), "other")
    return path, bad


def test_a_row_has_the_first_reason_that_was_found(tmp_path):
    path, bad = bad_rows(tmp_path)
    assert bad.counts == {"odd": 4, "the line has 1 columns, not 2": 1, "other": 1}
    assert bad.good.tolist() == [True, False, False, False, True, False, True, False, False]
    assert bad.summary(path).splitlines() == [
        f"6 of 9 rows of {path} are bad:",
        "  4  odd (rows 2, 4, 6, 8)",
        "  1  the line has 1 columns, not 2 (row 9)",
        "  1  other (row 3)",
    ]


def test_the_quarantine_has_rows_as_they_came(tmp_path):
    path, bad = bad_rows(tmp_path)
    with pytest.raises(BadRowsError, match="--quarantine FILE") as raised:
        bad.settle(path, None)
    assert raised.value.exit_code == 2
    bad.settle(path, tmp_path / "bad.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert kept[0] == {"row": 2, "reason": "odd", "values": {"a": "1", "b": "x"}}
    assert kept[-1] == {"row": 9, "reason": "the line has 1 columns, not 2", "values": "9"}
    assert [row["row"] for row in kept] == [2, 3, 4, 6, 8, 9]


def test_numbers_that_json_lacks_are_kept_by_name(tmp_path):
    pq.write_table(pa.table({"a": [float("nan"), float("-inf"), 1.0]}), tmp_path / "a.parquet")
    bad = BadRows(read(tmp_path / "a.parquet"))
    bad.blame(np.array([0, 1]), "odd")
    bad.settle(tmp_path / "a.parquet", tmp_path / "bad.jsonl")
    kept = [json.loads(line)["values"]["a"] for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert kept == ["nan", "-inf"]


def test_a_quarantine_overwrites_no_log_and_is_empty_for_good_rows(tmp_path):
    path, bad = bad_rows(tmp_path)
    before = path.read_text()
    with pytest.raises(ContractError, match="is the log itself"):
        bad.settle(path, path)
    assert path.read_text() == before
    with pytest.raises(ContractError, match="cannot write"):
        bad.settle(path, tmp_path / "nowhere" / "bad.jsonl")
    bad.blame(np.arange(9), "all")
    with pytest.raises(ContractError, match="None is left"):
        bad.settle(path, tmp_path / "bad.jsonl")
    good = BadRows(read(text(tmp_path / "b.csv", "a\n1\n")))
    good.settle(tmp_path / "b.csv", tmp_path / "bad.jsonl")
    assert (tmp_path / "bad.jsonl").read_text() == ""
