"""JSON lines: a line that is no row costs itself, whatever stands in it, and can be found again."""

import hashlib
import json

import pytest
from tests.unit.kernels.landed import accepted, conform, good, raw_user, rejected, write_jsonl


def test_a_column_that_json_leaves_out_is_missing_row_by_row(tmp_path):
    incomplete = {name: value for name, value in good(2).items() if name != "propensity"}
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in (good(1), incomplete, good(3))))
    table = conform(path)
    assert accepted(table) == ["i1", "i3"]
    assert rejected(table) == [("required", "propensity is required unless slate_id is given")]


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
    path.write_text(json.dumps(good(1, **{raw_user(1): 3}), default=str) + "\n")
    assert rejected(conform(path)) == [("schema_mismatch", "column a-a-9@a.a is not in the contract")]


def test_of_two_keys_too_many_the_same_one_is_always_named(tmp_path):
    table = conform(write_jsonl(tmp_path / "f", [good(1, zebra=1, colour="red")]))
    assert rejected(table) == [("schema_mismatch", "column colour, zebra is not in the contract")]


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
        b"null",
        b'{"user_id": "raw-user-7"}{"user_id": "raw-user-8"}',
        b'{"user_id": "raw-user-\xff"}',
        b"[" * 100_000,
        b'{"user_id": "raw-user-7", "slot": ' + b"1" * 5000 + b"}",
    ],
    ids=["cut", "array", "string", "word", "number", "null", "two", "no-utf8", "deep", "digits"],
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


def test_a_line_without_values_lacks_the_required_ones(tmp_path):
    table = lines_among_good_ones(tmp_path, b"{}")
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
        ({"slot": 1.5}, "slot is int"),
        ({"slot": "one"}, "slot is int"),
        ({"slot": 2**40}, "slot is int"),
        ({"slot": 2**70}, "slot is int"),
        ({"propensity": "half"}, "propensity is double"),
        ({"propensity": [0.5]}, "propensity is double"),
        ({"arm_id": 7.5}, "arm_id is string"),
        ({"user_id": 7.5}, "user_id is string"),
        ({"user_id": {"mail": raw_user(7)}}, "user_id is string"),
        ({"user_id": [raw_user(7)]}, "user_id is string"),
        ({"occurred_at": 1700000000}, "occurred_at is timestamp"),
        ({"occurred_at": "yesterday"}, "occurred_at is timestamp"),
        ({"eligible_arms": "a"}, "eligible_arms is array<string>"),
        ({"eligible_arms": [1.5]}, "eligible_arms is array<string>"),
    ],
)
def test_json_values_of_another_type(tmp_path, change, clause):
    line = json.dumps(good(9, **change), default=str).encode()
    table = lines_among_good_ones(tmp_path, line)
    assert rejected(table) == [("wrong_type", clause)]
    (row,) = [json.loads(row) for row in table["_row"].to_pylist() if row]
    assert row["impression_id"] == "i9"


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"slot": "1"}, "slot", 1),
        ({"slot": 1.0}, "slot", 1),
        ({"propensity": "0.5"}, "propensity", 0.5),
        ({"age": True}, "age", 1.0),
        ({"decision_id": 7}, "decision_id", "7"),
        ({"decision_id": 7.0}, "decision_id", "7"),
        ({"eligible_arms": [1, "a"]}, "eligible_arms", ["1", "a"]),
        ({"eligible_arms": '["a"]'}, "eligible_arms", ["a"]),
    ],
)
def test_json_values_read_as_in_other_formats(tmp_path, change, column, value):
    path = tmp_path / "f.jsonl"
    lines = [good(1), good(2, **change), good(3)]
    path.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines))
    table = conform(path)
    assert rejected(table) == []
    (row,) = [row for row in table.to_pylist() if row["impression_id"] == "i2"]
    assert row[column] == value


def test_a_digest_finds_its_line_again(tmp_path):
    lines = [f"broken {raw_user(i)}".encode() for i in range(3)]
    table = lines_among_good_ones(tmp_path, *lines)
    landed = (tmp_path / "f.jsonl").read_bytes().splitlines()
    by_digest = {hashlib.sha256(line).hexdigest(): line for line in landed}
    assert [by_digest[digest] for digest in table["_digest"].drop_null().to_pylist()] == lines
