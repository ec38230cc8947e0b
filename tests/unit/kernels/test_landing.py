"""What a landing file may not be, and that it costs no other file and no other row."""

import hashlib
import json
import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.unit.kernels.landed import (
    CONFORMER,
    CONTRACT,
    NOON,
    PARQUET,
    WRITERS,
    accepted,
    conform,
    good,
    raw_user,
    rejected,
    whatever_comes_of,
    write_csv,
    write_damaged_half_way,
    write_jsonl,
    write_parquet,
)

from nightslate.contracts import load
from nightslate.kernels.landing_columns import read
from nightslate.records.chunks import CHUNK_ROWS
from nightslate.records.sources import data_files


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def only_reject(path):
    """The one line that stands for a file that can't be loaded."""
    table = conform(path)
    assert accepted(table) == []
    (verdict,) = rejected(table)
    assert table["_row"].to_pylist() == [None]
    assert table["_file"].to_pylist() == [path.name]
    return verdict


def without(*names):
    return pa.schema([field for field in PARQUET if field.name not in names])


def test_sound_rows_come_through_in_every_format(tmp_path, write):
    table = conform(write(tmp_path / "f", [good(1), good(2, age=None), good(3, slot=3, arm_id="b")]))
    assert rejected(table) == []
    assert table["impression_id"].to_pylist() == ["i1", "i2", "i3"]
    assert table["slot"].to_pylist() == [1, 1, 3]
    assert table["propensity"].to_pylist() == [0.5] * 3
    assert table["age"].to_pylist() == [30.0, None, 30.0]
    assert table["occurred_at"].to_pylist() == [NOON] * 3
    assert len(set(table["user_id"].to_pylist())) == 3
    assert all(len(user) == 32 for user in table["user_id"].to_pylist())


def test_columns_that_are_not_required_may_be_absent(tmp_path, write):
    rows = [{name: value for name, value in good(1).items() if name != "age"}]
    assert accepted(conform(write(tmp_path / "f", rows, without("age")))) == ["i1"]


def test_files_come_by_name_and_markers_are_no_data(tmp_path):
    for name in ("b.csv", "a.parquet", "_SUCCESS", ".b.csv.crc", "c"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [path.name for path in data_files(tmp_path)] == ["a.parquet", "b.csv", "c"]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_parquet_file(tmp_path, kept):
    path = write_parquet(tmp_path / "f", [good(i) for i in range(100)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    reason, _ = only_reject(path)
    assert reason == "unreadable_file"


def test_a_file_that_is_no_parquet(tmp_path):
    path = tmp_path / "f.parquet"
    path.write_text(f"{raw_user(1)} was never a Parquet file")
    assert only_reject(path)[0] == "unreadable_file"


def test_a_parquet_file_damaged_half_way(tmp_path):
    """The rows before the damage are read; the verdict still comes, and it is about the file."""
    path = write_damaged_half_way(tmp_path / "f")
    table = whatever_comes_of(path)
    assert len(accepted(table)) == CHUNK_ROWS
    ((reason, _),) = rejected(table)
    assert reason == "unreadable_file"


@pytest.mark.parametrize("column", ["user_id", "arm_id", "decision_id"])
def test_bytes_that_are_no_text_in_a_parquet_file(tmp_path, column):
    """Where values lie uncompressed, damage can leave a file that reads, but whose text is none."""
    path = write_parquet(
        tmp_path / "f", [good(i) for i in range(50)], use_dictionary=False, compression="none"
    )
    chunk = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(PARQUET.names.index(column))
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 1] = 0xFF
    path.write_bytes(content)
    assert only_reject(path)[0] == "unreadable_file"


def test_a_page_whose_checksum_is_wrong(tmp_path):
    """A propensity with a flipped bit is still a number: only the checksum tells."""
    rows = [good(i) for i in range(50)]
    path = write_parquet(
        tmp_path / "f", rows, use_dictionary=False, compression="none", write_page_checksum=True
    )
    chunk = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(PARQUET.names.index("propensity"))
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 0x01
    path.write_bytes(content)
    assert only_reject(path)[0] == "unreadable_file"


@pytest.mark.parametrize("seed", range(15))
def test_no_damage_to_a_file_is_more_than_that_file_can_cost(tmp_path, write, seed):
    """Whatever bytes are changed: rows, rejected rows or one verdict about the file, never another error."""
    path = write(tmp_path / "f", [good(i) for i in range(200)])
    dice = random.Random(seed)  # noqa: S311
    content = bytearray(path.read_bytes())
    start = dice.randrange(len(content))
    for place in range(start, min(len(content), start + dice.randrange(1, 40))):
        content[place] = dice.randrange(256)
    path.write_bytes(content)
    reasons = set(load("quarantine").column("reason").allowed)
    assert {reason for reason, _ in rejected(whatever_comes_of(path))} <= reasons


def test_a_missing_column(tmp_path):
    rows = [{name: value for name, value in good(1).items() if name not in ("propensity", "slot")}]
    expected = ("schema_mismatch", "missing column propensity, slot")
    assert only_reject(write_parquet(tmp_path / "f", rows, without("propensity", "slot"))) == expected
    assert only_reject(write_csv(tmp_path / "f", rows, without("propensity", "slot"))) == expected


def test_propensities_may_be_missing_where_there_are_slates(tmp_path, write):
    rows = [{**good(1, slate_id="s"), "propensity": None}, {**good(2, slate_id=None), "propensity": None}]
    schema = PARQUET.append(pa.field("slate_id", pa.string()))
    verdict = [("required", "propensity is required unless slate_id is given")]
    nothing = schema.set(6, pa.field("propensity", pa.null()))
    for rest in (schema.remove(6), nothing):
        kept = [{name: row[name] for name in rest.names} for row in rows]
        table = conform(write(tmp_path / "f", kept, rest))
        assert (accepted(table), rejected(table)) == (["i1"], verdict)


def test_a_column_too_many(tmp_path):
    schema = PARQUET.append(pa.field("colour", pa.string()))
    expected = ("schema_mismatch", "column colour is not in the contract")
    for write in (write_parquet, write_csv):
        assert only_reject(write(tmp_path / "f", [good(1, colour="red")], schema)) == expected


def test_a_column_name_twice(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("impression_id,impression_id\n1,2\n")
    assert only_reject(path) == ("schema_mismatch", "a column name stands twice in the file")


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("propensity", pa.list_(pa.field("element", pa.float64()))),
        ("propensity", pa.timestamp("us", "UTC")),
        ("slot", pa.binary()),
        ("user_id", pa.binary()),
        ("user_id", pa.list_(pa.field("element", pa.string()))),
        ("user_id", pa.timestamp("us", "UTC")),
        ("occurred_at", pa.int64()),
        ("occurred_at", pa.date32()),
    ],
)
def test_a_column_of_another_type_in_parquet(tmp_path, column, found):
    other = PARQUET.set(PARQUET.names.index(column), pa.field(column, found))
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(other.empty_table(), path)
    written = CONTRACT.column(column).type
    assert only_reject(path) == ("schema_mismatch", f"{column} is {written}, not {found}")


@pytest.mark.parametrize("items", [pa.binary(), pa.list_(pa.string())])
def test_what_is_no_list_of_arms(tmp_path, items):
    schema = PARQUET.append(pa.field("eligible_arms", pa.list_(pa.field("element", items))))
    reason, clause = only_reject(write_parquet(tmp_path / "f", [], schema))
    assert reason == "schema_mismatch"
    assert clause.startswith("eligible_arms is array<string>, not list<element: ")


def test_lists_come_through_in_every_format(tmp_path, write):
    schema = PARQUET.append(pa.field("eligible_arms", pa.list_(pa.string())))
    arms = json.dumps(["a", "b"]) if write is write_csv else ["a", "b"]
    table = conform(write(tmp_path / "f", [good(1, eligible_arms=arms)], schema))
    assert rejected(table) == []
    assert table["eligible_arms"].to_pylist() == [["a", "b"]]


def test_a_list_in_csv_is_a_json_array_and_an_empty_field_none(tmp_path):
    schema = PARQUET.append(pa.field("eligible_arms", pa.string()))
    lists = ["", "a|b", '["a", null]', "[1]", '{"a": 1}']
    rows = [good(i, eligible_arms=arms) for i, arms in enumerate(lists)]
    table = conform(write_csv(tmp_path / "f", rows, schema))
    assert accepted(table) == ["i0", "i3"]
    assert rejected(table) == [("wrong_type", "eligible_arms is array<string>")] * 3


def test_narrower_types_are_widened_and_never_cut(tmp_path):
    schema = PARQUET.set(4, pa.field("slot", pa.int64())).set(7, pa.field("age", pa.int16()))
    path = write_parquet(tmp_path / "f", [good(1, age=30), good(2, age=31, slot=2**40)], schema)
    table = conform(path)
    assert accepted(table) == ["i1"]
    assert rejected(table) == [("wrong_type", "slot is int")]
    assert table["age"].to_pylist() == [30.0, 31.0]


@pytest.mark.parametrize("name", ["f.txt", "f", "f.parquet.gz", "f.csv.bz2"])
def test_an_unknown_suffix(tmp_path, name):
    path = tmp_path / name
    path.write_text("anything")
    reason, clause = only_reject(path)
    assert reason == "unreadable_file"
    assert ".parquet, .csv, .jsonl" in clause


def test_a_folder_in_the_folder_of_a_day_is_no_file(tmp_path):
    """Nobody reads what it holds, and that is said."""
    (tmp_path / "run").mkdir()
    write_csv(tmp_path / "run" / "f", [good(1)])
    (path,) = data_files(tmp_path)
    assert only_reject(path) == ("unreadable_file", "a folder is no file")


def test_another_delimiter_is_named(tmp_path):
    path = write_csv(tmp_path / "f", [good(1)])
    path.write_text(path.read_text().replace(",", ";"))
    reason, clause = only_reject(path)
    assert reason == "schema_mismatch"
    assert clause.endswith("columns are separated by commas, not by ';'")


def test_an_empty_csv_file_lacks_its_header(tmp_path):
    path = tmp_path / "f.csv"
    path.touch()
    assert only_reject(path) == ("schema_mismatch", "an empty file: a CSV file starts with a header")


def test_no_rows_are_no_fault(tmp_path, write):
    table = conform(write(tmp_path / "f", []))
    assert table.num_rows == 0


def test_a_csv_file_without_a_header_does_not_show_its_first_row(tmp_path):
    path = write_csv(tmp_path / "f", [good(1), good(2)])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert only_reject(path)[0] == "schema_mismatch"


def test_a_csv_header_without_end(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("x" * 200_000)
    assert only_reject(path)[0] in ("unreadable_file", "schema_mismatch")


def test_ragged_rows_of_a_csv_file_cost_themselves(tmp_path):
    path = write_csv(tmp_path / "f", [good(1), good(2), good(3), good(4)])
    lines = path.read_text().splitlines()
    lines[2] += ",more"
    lines[4] = ",".join(lines[4].split(",")[:-2])
    path.write_text("\n".join(lines) + "\n")
    table = conform(path)
    assert accepted(table) == ["i1", "i3"]
    assert rejected(table) == [
        ("unreadable_row", "a row has 8 columns, not 9"),
        ("unreadable_row", "a row has 8 columns, not 6"),
    ]
    digests = [digest for digest in table["_digest"].to_pylist() if digest]
    assert digests == [hashlib.sha256(lines[i].encode()).hexdigest() for i in (2, 4)]


def test_every_line_of_a_csv_file_is_a_record(tmp_path):
    """No column of a log is free text: a line break in quotes ends the record, and nothing is swallowed."""
    path = write_csv(tmp_path / "f", [good(1, decision_id='"'), good(2), good(3)])
    path.write_text(path.read_text().replace('""""', '"'))
    table = conform(path)
    assert accepted(table) == ["i2", "i3"]
    assert rejected(table) == [("unreadable_row", "a quoted field ends in its line")]
    assert sorted(table["_number"].to_pylist()) == [1, 2, 3]
    table = conform(write_csv(tmp_path / "f", [good(1, decision_id="d\n1"), good(2)]))
    assert accepted(table) == ["i2"]
    assert len(rejected(table)) == 2


def test_free_text_may_have_line_breaks(tmp_path):
    columns = tuple(replace(c, free_text=c.name == "decision_id") for c in CONTRACT.columns)
    conformer = replace(CONFORMER, contract=replace(CONTRACT, columns=columns))
    table = conform(write_csv(tmp_path / "f", [good(1, decision_id="d\n1"), good(2)]), conformer)
    assert rejected(table) == []
    assert table["decision_id"].to_pylist() == ["d2", "d\n1"]


@pytest.mark.parametrize("line", [b"i,d,\xff,2026-11-16T12:00:00Z,1,a,0.5,30", b"raw-user-7,\xff"])
def test_bytes_that_are_no_text_in_a_csv_file_cost_their_line(tmp_path, line):
    """Also in a row of which Arrow could not tell us, far from the header."""
    path = write_csv(tmp_path / "f", [good(i) for i in range(1000)])
    path.write_bytes(path.read_bytes() + line + b"\n")
    table = conform(path)
    assert len(accepted(table)) == 1000
    assert rejected(table) == [("unreadable_row", "a line is UTF-8 text")]
    assert [(row["_number"], row["_digest"]) for row in table.to_pylist() if row["_reason"]] == [
        (1001, hashlib.sha256(line).hexdigest())
    ]


@pytest.mark.parametrize("name", ["f.csv.gz", "f.jsonl.zst", "f.json", "f.ndjson"])
def test_text_may_be_compressed_and_json_has_three_suffixes(tmp_path, name):
    write = write_csv if ".csv" in name else write_jsonl
    content = write(tmp_path / "g", [good(1), good(2)]).read_bytes()
    path = tmp_path / name
    with pa.output_stream(str(path), compression="detect") as stream:
        stream.write(content)
    assert accepted(conform(path)) == ["i1", "i2"]
    if path.suffix in (".gz", ".zst"):
        path.write_bytes(path.read_bytes()[:-3])
        assert only_reject(path)[0] == "unreadable_file"


def test_a_long_file_comes_in_chunks_with_every_line_once(tmp_path, monkeypatch):
    """Chunks end within lines; what stands across their border is neither lost nor read twice."""
    monkeypatch.setattr("nightslate.records.chunks.CHUNK_BYTES", 1000)
    monkeypatch.setattr("nightslate.records.chunks.CHUNK_ROWS", 7)
    rows = [good(i) for i in range(100)]
    for write in WRITERS.values():
        path = write(tmp_path / "f", rows)
        assert len(list(read(path, CONTRACT.landing_columns))) > 5
        assert accepted(conform(path)) == [row["impression_id"] for row in rows]
