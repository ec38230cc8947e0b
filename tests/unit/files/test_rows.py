"""Files and folders as rows, and what becomes of bad ones."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.large import LargeFile
from nightslate.files.rejected_rows import BadRowsError, Refused
from nightslate.files.rows import read


def text(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_columns_are_text_and_empty_is_null(tmp_path):
    rows = read(text(tmp_path / "a.csv", '\N{ZERO WIDTH NO-BREAK SPACE}a,b\n007,NA\n\n,"x, y"\n'))
    assert rows.table().to_pylist() == [{"a": "007", "b": "NA"}, {"a": None, "b": "x, y"}]


def test_mixed_values_of_a_json_column_become_text_where_they_are_written(tmp_path):
    rows = read(text(tmp_path / "a.ndjson", '{"a": 1}\n{"a": "x"}\n{"a": 2}\n'))
    assert rows.table()["a"].to_pylist() == ["1", "2", "x"]
    assert rows.numbers.tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,a\n1,2\n", "twice"),
        ("a.csv", "a\n1\n".encode("utf-16"), "UTF-16"),
        ("a.jsonl", "", "has no rows"),
        ("a.json", '[{"a": 1}]', "one object a line"),
        ("a.parquet", "PAR1 and nothing", "cannot be read"),
        ("a.csv.gz", "a\n1\n", "cannot be read"),
        ("a.xlsx", "x", "not in .parquet, .csv"),
        ("a.parquet.gz", "x", "not in .parquet, .csv"),
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
    assert read(tmp_path / "day=1" / "a.parquet").table().to_pylist() == [{"a": 1.5}]


def test_a_folder_of_part_files_is_read_as_one_and_its_markers_are_no_data(tmp_path):
    for name in ("_SUCCESS", "._SUCCESS.crc", "_committed_1"):
        text(tmp_path / name, "x")
    (tmp_path / "_temporary").mkdir()
    text(tmp_path / "part-00000.csv", "a,b\n1,2\n3\n")
    text(tmp_path / "part-00001.csv", "a,b\n4\n5,6\n")
    rows = read(tmp_path)
    assert rows.table().to_pylist() == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    bad = BadRows(rows)
    assert [(row.file.name, row.number, row.values()) for row in bad.all()] == [
        ("part-00000.csv", 2, "3"),
        ("part-00001.csv", 1, "4"),
    ]
    with Refused(None, (tmp_path,)) as refused:
        refused.add(tmp_path, bad.all(), rows.count)
    assert refused.summary[1].endswith('(rows 2 of part-00000.csv, 1 of part-00001.csv): "3", "4"')


def test_folders_that_cannot_be_used_say_why(tmp_path):
    with pytest.raises(ContractError, match="has no data files"):
        read(tmp_path)
    (tmp_path / "day=1").mkdir()
    text(tmp_path / "day=1" / "a.csv", "a\n1\n")
    with pytest.raises(ContractError, match="day=1 is a folder in a folder"):
        read(tmp_path)
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(ContractError, match="is a Delta table"):
        read(tmp_path)


def bad_rows(tmp_path):
    path = text(tmp_path / "a.csv", "a,b\n" + "".join(f"{k},x\n" for k in range(8)) + "9\n")
    rows = read(path)
    bad = BadRows(rows)
    bad.blame(np.array([False, True] * 4), "a is odd", "a")
    bad.blame(np.array([1, 2]), "other")
    return path, rows, bad


def refuse(path, rows, bad, quarantine):
    with Refused(quarantine, (path,)) as refused:
        refused.add(path, bad.all(), rows.count)
        refused.settle()
    refused.require_some_left(path, int(np.count_nonzero(bad.good)))
    return refused


def kept(tmp_path):
    return [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]


def test_a_row_has_the_first_reason_that_was_found_and_shows_its_value(tmp_path):
    path, rows, bad = bad_rows(tmp_path)
    assert bad.good.tolist() == [True, False, False, False, True, False, True, False]
    with pytest.raises(BadRowsError, match="--quarantine FILE") as raised:
        refuse(path, rows, bad, None)
    assert raised.value.exit_code == 2
    assert str(raised.value).splitlines()[:-1] == [
        f"6 of 9 rows of {path} cannot be used:",
        '  4  a is odd (rows 2, 4, 6, 8): "1", "3", "5", "7"',
        "  1  other (row 3)",
        '  1  the line has 1 columns, not 2 (row 9): "9"',
    ]


def test_the_quarantine_has_rows_as_they_came(tmp_path):
    path, rows, bad = bad_rows(tmp_path)
    refused = refuse(path, rows, bad, tmp_path / "bad.jsonl")
    assert refused.counts == {str(path): {"a is odd": 4, "other": 1, "the line has 1 columns, not 2": 1}}
    lines = kept(tmp_path)
    assert lines[0] == {"file": str(path), "row": 2, "reason": "a is odd", "values": {"a": "1", "b": "x"}}
    assert lines[-1] == {
        "file": str(path),
        "row": 9,
        "reason": "the line has 1 columns, not 2",
        "values": "9",
    }
    assert [line["row"] for line in lines] == [2, 3, 4, 6, 8, 9]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (pa.array([float("nan"), float("-inf")]), ["nan", "-inf"]),
        (pa.array(["x", "y"], pa.string_view()), ["x", "y"]),
        (pa.array([b"x", b"y"], pa.binary_view()), ["b'x'", "b'y'"]),
        (pa.array([["x"], None], pa.list_(pa.string_view())), [["x"], None]),
        (pa.array([["x"], []], pa.large_list(pa.string())), [["x"], []]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([{"a": 1}, None]), [{"a": 1}, None]),
        (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())), [[["k", 1]], None]),
        (pa.array([2**62, 0], pa.timestamp("ms")), [str(2**62), "1970-01-01 00:00:00"]),
        (pa.array([1, 2], pa.duration("us")), ["0:00:00.000001", "0:00:00.000002"]),
        (pa.array([True, None]), [True, None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_bad_rows_are_told_of_in_columns_of_any_type(tmp_path, values, written):
    """Also where nobody asks what the column holds."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"reward": ["x", "y"], "a": values}), path)
    rows = read(path)
    bad = BadRows(rows)
    bad.blame(np.array([0, 1]), "a is odd", "a")
    with pytest.raises(ContractError, match="No row of"):
        refuse(path, rows, bad, tmp_path / "bad.jsonl")
    assert [line["values"]["a"] for line in kept(tmp_path)] == written


def test_a_quarantine_overwrites_no_log_and_is_empty_for_good_rows(tmp_path):
    path, rows, bad = bad_rows(tmp_path)
    before = path.read_text()
    with pytest.raises(ContractError, match="is a file that is read"):
        refuse(path, rows, bad, path)
    assert path.read_text() == before
    with pytest.raises(ContractError, match="cannot write"):
        refuse(path, rows, bad, tmp_path / "nowhere" / "bad.jsonl")
    bad.blame(np.arange(8), "all")
    with pytest.raises(ContractError, match=r"No row of .* is left"):
        refuse(path, rows, bad, tmp_path / "bad.jsonl")
    good = read(text(tmp_path / "b.csv", "a\n1\n"))
    refuse(tmp_path / "b.csv", good, BadRows(good), tmp_path / "bad.jsonl")
    assert (tmp_path / "bad.jsonl").read_text() == ""


def test_a_link_to_nowhere_is_a_file_that_cannot_be_read(tmp_path):
    """A day whose files are links into a mount that has gone is not a smaller day."""
    text(tmp_path / "a.csv", "a\n1\n")
    (tmp_path / "b.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(ContractError, match=r"b\.csv cannot be read: .*No such file"):
        read(tmp_path)


@pytest.mark.parametrize("empty", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_file_of_columns_alone_is_one_of_no_rows(tmp_path, empty):
    """A large file, of which there may be none; whoever can do nothing with none says so."""
    path = tmp_path / empty
    if empty == "a.parquet":
        pq.write_table(pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.float64())}), path)
    else:
        path.write_bytes(gzip.compress(b"a,b\n") if path.suffix == ".gz" else b"a,b\n")
    file = LargeFile.of(path, ["a"])
    assert (file.count, file.names) == (0, ("a", "b"))
    assert sum(part.count for part in file.parts(["a", "b"])) == 0
    with pytest.raises(ContractError, match="has no rows"):
        read(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_without_even_columns_has_no_rows(tmp_path, name):
    with pytest.raises(ContractError, match="has no rows"):
        LargeFile.of(text(tmp_path / name, ""), ["a"])
