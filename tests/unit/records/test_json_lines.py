"""Every JSON line is a row, or a reject that says why."""

import json

import pytest

from nightslate.records import chunks
from nightslate.records.reading import read

TWICE, NO_OBJECT = "a key stands twice in the object", "the line is not one JSON object"


def records(path, content):
    path = path / "f.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows, rejects = {}, {}
    for chunk in read(path):
        chunk.rows.validate(full=True)
        rows |= dict(zip(chunk.numbers.tolist(), chunk.rows.to_pylist(), strict=True))
        rejects |= {record.number: (record.wrong.fault, record.content) for record in chunk.unreadable}
    assert sorted([*rows, *rejects]) == list(range(1, len(rows) + len(rejects) + 1))
    present = {
        number: {name: value for name, value in row.items() if value is not None}
        for number, row in rows.items()
    }
    return present, rejects


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"a": 1, "a": 2}', TWICE),
        (b'{"a": 1, "a": 1}', TWICE),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', TWICE),
        (b'{"a": 1}{"a": 2}', NO_OBJECT),
        (b'{"a": 1} {"a": 2}', NO_OBJECT),
        (b'[{"a": 1}]', NO_OBJECT),
        (b'{"a": 1', NO_OBJECT),
        (b'{"a": 1,}', NO_OBJECT),
        (b'"raw"', NO_OBJECT),
        (b"rubbish", NO_OBJECT),
        (b"null", NO_OBJECT),
        (b'{"a": "\xff"}', NO_OBJECT),
        (b'{"a": "\\ud800"}', NO_OBJECT),
        (b"[" * 100_000, NO_OBJECT),
        (b'{"a": ' + b"1" * 5000 + b"}", NO_OBJECT),
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 1])
def test_a_line_that_is_no_object_costs_nothing_but_itself(tmp_path, monkeypatch, line, fault, size):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    rows, rejects = records(tmp_path, b'{"a": 1}\n' + line + b'\n\n{"a": 3}\n')
    assert rows == {1: {"a": 1}, 3: {"a": 3}}
    assert rejects == {2: (fault, line)}


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a":1}{"a":2}', '{"a":3,', '"b":4}'],
        ['{"a":1}{"a":2}', '{"a":{"b":3}', ',"c":4}'],
        ['{"a":1}{"a":2}', '{"a":[{}', "]}"],
        ['{"a":', "1}"],
    ],
)
def test_an_object_over_two_lines_is_none(tmp_path, lines):
    """Also where as many objects as lines are left in the end."""
    rows, rejects = records(tmp_path, "\n".join(lines))
    assert not rows
    assert [fault for fault, _ in rejects.values()] == [NO_OBJECT] * len(lines)


@pytest.mark.parametrize(
    "values",
    [
        ["1", '"x"', "2.5"],
        ["true", "1", "null"],
        ["9007199254740993", "0.5"],
        ["12345678901234567890", "1"],
        ["12345678901234567890123456789", "7"],
        ['"2026-01-20T12:00:00"', '"2026-01-20"'],
        ['"2026-01-20T12:00:00Z"', '"x"', '"2026-01-20T12:00:00Z"'],
        ["[1, 2]", '["x"]', "[]"],
        ['["2026-01-20"]', '["2026-01-21"]'],
        ['{"b": "2026-01-20"}', '{"b": "2026-01-21"}'],
        ['{"b": 1}', '{"c": "x"}', "[[1], [2, 3]]"],
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 1])
def test_values_stay_what_they_are_whatever_stands_beside_them(tmp_path, monkeypatch, values, size):
    """Numbers are exact, and text that looks like a time stays text."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    rows, rejects = records(tmp_path, "".join(f'{{"a": {value}}}\n' for value in values))
    assert not rejects
    found = [rows[number].get("a") for number in sorted(rows)]
    for value, one in zip(map(json.loads, values), found, strict=True):
        if isinstance(value, int) and value >= 2**63:
            assert one == str(value)
        elif isinstance(value, dict):
            assert {name: item for name, item in one.items() if item is not None} == value
        else:
            assert one == value
            assert type(one) is type(value)


def test_rows_need_not_have_the_same_keys(tmp_path):
    rows, _ = records(tmp_path, '{"a": 1}\n{"b": "x"}\n{}\n')
    assert rows == {1: {"a": 1}, 2: {"b": "x"}, 3: {}}


def test_a_mark_at_the_beginning_and_ends_of_windows_are_no_content(tmp_path):
    rows, rejects = records(tmp_path, '\ufeff{"a": 1}\r\n\r\n {"a": 2} \r\n')
    assert (rows, rejects) == ({1: {"a": 1}, 2: {"a": 2}}, {})
