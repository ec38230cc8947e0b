"""What a landing file may not be, and that it costs no other file and no other row."""

import hashlib
import json
import random

import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.contracts import load
from nightslate.frames.landing import landing_files, read
from tests.unit.frames.landed import (
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
    write_jsonl,
    write_parquet,
)


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
    assert [path.name for path in landing_files(tmp_path)] == ["a.parquet", "b.csv", "c"]


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
    """The row groups before the damage are read; the verdict still comes, and it is about the file."""
    path = write_parquet(tmp_path / "f", [good(i) for i in range(5000)], row_group_size=1000)
    last = pyarrow.parquet.ParquetFile(path).metadata.row_group(4).column(2)
    content = bytearray(path.read_bytes())
    content[last.data_page_offset : last.data_page_offset + last.total_compressed_size // 2] = b"\xff" * (
        last.total_compressed_size // 2
    )
    path.write_bytes(content)
    reason, _ = rejected(conform(path))[-1]
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


def test_a_column_that_json_leaves_out_is_missing_row_by_row(tmp_path):
    incomplete = {name: value for name, value in good(2).items() if name != "propensity"}
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in (good(1), incomplete, good(3))))
    table = conform(path)
    assert accepted(table) == ["i1", "i3"]
    assert rejected(table) == [("required", "propensity is required")]


def test_a_column_too_many(tmp_path):
    schema = PARQUET.append(pa.field("colour", pa.string()))
    expected = ("schema_mismatch", "column colour is not in the contract")
    for write in (write_parquet, write_csv):
        assert only_reject(write(tmp_path / "f", [good(1, colour="red")], schema)) == expected


def test_a_json_key_too_many_costs_its_line(tmp_path):
    table = conform(write_jsonl(tmp_path / "f", [good(1), good(2, colour=raw_user(9)), good(3)]))
    assert accepted(table) == ["i1", "i3"]
    assert rejected(table) == [("schema_mismatch", "column colour is not in the contract")]
    (kept,) = [json.loads(row) for row in table["_row"].to_pylist() if row]
    assert kept["impression_id"] == "i2"
    assert "colour" not in kept


def test_a_json_object_keyed_by_user_ids_does_not_name_them(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps({raw_user(1): {"clicks": 3}}) + "\n")
    ((reason, _),) = rejected(conform(path))
    assert reason == "schema_mismatch"


def test_of_two_keys_too_many_the_same_one_is_always_named(tmp_path):
    table = conform(write_jsonl(tmp_path / "f", [good(1, zebra=1, colour="red")]))
    assert rejected(table) == [("schema_mismatch", "column colour, zebra is not in the contract")]


def test_a_column_name_twice(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("impression_id,impression_id\n1,2\n")
    assert only_reject(path) == ("schema_mismatch", "a column name stands twice in the file")


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("propensity", pa.string()),
        ("slot", pa.float64()),
        ("slot", pa.bool_()),
        ("propensity", pa.bool_()),
        ("user_id", pa.int64()),
        ("user_id", pa.binary()),
        ("occurred_at", pa.string()),
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


def test_a_list_of_numbers_is_no_list_of_arms(tmp_path):
    schema = PARQUET.append(pa.field("eligible_arms", pa.list_(pa.int64())))
    path = write_parquet(tmp_path / "f", [good(1, eligible_arms=[1, 2])], schema)
    assert only_reject(path)[0] == "schema_mismatch"


def test_lists_come_through_in_parquet_and_json(tmp_path):
    schema = PARQUET.append(pa.field("eligible_arms", pa.list_(pa.string())))
    for write in (write_parquet, write_jsonl):
        table = conform(write(tmp_path / "f", [good(1, eligible_arms=["a", "b"])], schema))
        assert rejected(table) == []
        assert table["eligible_arms"].to_pylist() == [["a", "b"]]


def test_a_list_in_csv_has_no_meaning_but_an_empty_field_has(tmp_path):
    schema = PARQUET.append(pa.field("eligible_arms", pa.string()))
    table = conform(write_csv(tmp_path / "f", [good(1), good(2, eligible_arms="a|b")], schema))
    assert accepted(table) == ["i1"]
    assert rejected(table) == [("wrong_type", "eligible_arms is array<string>")]


def test_narrower_types_are_widened_and_never_cut(tmp_path):
    schema = PARQUET.set(4, pa.field("slot", pa.int64())).set(7, pa.field("age", pa.int16()))
    path = write_parquet(tmp_path / "f", [good(1, age=30), good(2, age=31, slot=2**40)], schema)
    table = conform(path)
    assert accepted(table) == ["i1"]
    assert rejected(table) == [("wrong_type", "slot is int")]
    assert table["age"].to_pylist() == [30.0, 31.0]


@pytest.mark.parametrize("name", ["f.txt", "f", "f.parquet.gz"])
def test_an_unknown_suffix(tmp_path, name):
    path = tmp_path / name
    path.write_text("anything")
    reason, clause = only_reject(path)
    assert reason == "unreadable_file"
    assert clause.endswith("is not one of .parquet, .csv, .jsonl")


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


def test_a_quoted_line_break_in_csv_is_part_of_its_field(tmp_path):
    table = conform(write_csv(tmp_path / "f", [good(1, decision_id="d\n1"), good(2)]))
    assert accepted(table) == ["i1", "i2"]
    assert table["decision_id"].to_pylist() == ["d\n1", "d2"]


def test_bytes_that_are_no_text_in_a_csv_file(tmp_path):
    path = write_csv(tmp_path / "f", [good(i) for i in range(1000)])
    content = path.read_bytes()
    path.write_bytes(content[:-3] + b"\xff" + content[-2:])
    assert only_reject(path)[0] == "unreadable_file"


def lines_among_good_ones(tmp_path, *lines):
    """A JSON lines file with the lines between sound ones, and what becomes of it."""
    sound = [json.dumps(good(i), default=str).encode() for i in range(len(lines) + 1)]
    path = tmp_path / "f.jsonl"
    between = [one for pair in zip(sound, lines, strict=False) for one in pair]
    path.write_bytes(b"\n".join([*between, sound[-1]]) + b"\n")
    table = conform(path)
    assert accepted(table) == [f"i{i}" for i in range(len(sound))]
    return table


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id": "raw-user-7',
        b'["raw-user-7"]',
        b'"raw-user-7"',
        b"raw-user-7",
        b"5",
        b'{"user_id": "raw-user-7"}{"user_id": "raw-user-8"}',
        b'{"user_id": "raw-user-\xff"}',
        b"[" * 100_000,
        b'{"user_id": "raw-user-7", "slot": ' + b"1" * 5000 + b"}",
    ],
    ids=["cut", "array", "string", "word", "number", "two", "no-utf8", "deep", "digits"],
)
def test_a_line_that_is_no_json_object(tmp_path, line):
    table = lines_among_good_ones(tmp_path, line)
    assert rejected(table) == [("unreadable_row", "a line is one JSON object")]
    assert table["_digest"].drop_null().to_pylist() == [hashlib.sha256(line).hexdigest()]


@pytest.mark.parametrize(
    "change",
    [
        '"age": 123456789012345678901234567890',
        '"age": 9007199254740993',
        '"age": 1e999',
        '"arm_id": "\\ud800"',
        '"arm_id": "a", "arm_id": "b"',
    ],
)
def test_a_line_costs_at_most_itself(tmp_path, change):
    """Values that JSON can write and Arrow can't hold, in a block that has another bad line as well."""
    sound = [json.dumps(good(i), default=str) for i in (1, 2)]
    odd = json.dumps(good(9), default=str)
    start = odd.index(change.split(":")[0])
    end = odd.index(", ", start) if ", " in odd[start:] else len(odd) - 1
    odd = odd[:start] + change + odd[end:]
    outcomes = []
    for others in ([], ["broken"]):
        path = tmp_path / "f.jsonl"
        path.write_text("\n".join([sound[0], *others, odd, sound[1]]))
        table = conform(path)
        assert {"i1", "i2"} <= set(accepted(table))
        outcomes.append(("i9" in accepted(table), sorted(rejected(table))[: 1 - len(others) or None]))
    assert outcomes[0][0] == outcomes[1][0]


@pytest.mark.parametrize("line", [b"null", b"{}"])
def test_a_line_without_values_lacks_the_required_ones(tmp_path, line):
    table = lines_among_good_ones(tmp_path, line)
    assert rejected(table) == [("required", "impression_id is required")]


@pytest.mark.parametrize("column", ["user_id", "arm_id"])
def test_half_a_surrogate_in_a_line_that_is_wrong_otherwise(tmp_path, column):
    line = json.dumps(good(9, slot="one", **{column: "raw-user-\ud800"}), default=str).encode()
    table = lines_among_good_ones(tmp_path, line)
    assert rejected(table) == [("unreadable_row", "a line is one JSON object")]


def test_blank_lines_are_no_rows(tmp_path):
    path = write_jsonl(tmp_path / "f", [good(1), good(2)])
    path.write_text(path.read_text().replace("\n", "\r\n\n  \n"))
    assert accepted(conform(path)) == ["i1", "i2"]
    assert rejected(conform(path)) == []


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"slot": True}, "slot is int"),
        ({"slot": 1.5}, "slot is int"),
        ({"slot": "1"}, "slot is int"),
        ({"slot": 2**40}, "slot is int"),
        ({"slot": 2**70}, "slot is int"),
        ({"propensity": "0.5"}, "propensity is double"),
        ({"propensity": False}, "propensity is double"),
        ({"propensity": [0.5]}, "propensity is double"),
        ({"arm_id": 7}, "arm_id is string"),
        ({"user_id": 7}, "user_id is string"),
        ({"user_id": {"mail": raw_user(7)}}, "user_id is string"),
        ({"user_id": [raw_user(7)]}, "user_id is string"),
        ({"occurred_at": 1700000000}, "occurred_at is timestamp"),
        ({"occurred_at": "yesterday"}, "occurred_at is timestamp"),
        ({"eligible_arms": "a"}, "eligible_arms is array<string>"),
        ({"eligible_arms": [1]}, "eligible_arms is array<string>"),
    ],
)
def test_json_values_of_another_type(tmp_path, change, clause):
    line = json.dumps(good(9, **change), default=str).encode()
    table = lines_among_good_ones(tmp_path, line)
    assert rejected(table) == [("wrong_type", clause)]
    (row,) = [json.loads(row) for row in table["_row"].to_pylist() if row]
    assert row["impression_id"] == "i9"


def test_a_digest_finds_its_line_again(tmp_path):
    lines = [f"broken {raw_user(i)}".encode() for i in range(3)]
    table = lines_among_good_ones(tmp_path, *lines)
    landed = (tmp_path / "f.jsonl").read_bytes().splitlines()
    by_digest = {hashlib.sha256(line).hexdigest(): line for line in landed}
    assert [by_digest[digest] for digest in table["_digest"].drop_null().to_pylist()] == lines


def test_a_long_file_comes_in_chunks_with_every_line_once(tmp_path, monkeypatch):
    """Chunks end within lines; what stands across their border is neither lost nor read twice."""
    monkeypatch.setattr("nightslate.frames.landing.CHUNK_BYTES", 1000)
    monkeypatch.setattr("nightslate.frames.landing.CHUNK_ROWS", 7)
    rows = [good(i) for i in range(100)]
    for write in WRITERS.values():
        path = write(tmp_path / "f", rows)
        assert len(list(read(path, CONTRACT.landing_columns))) > 5
        assert accepted(conform(path)) == [row["impression_id"] for row in rows]
