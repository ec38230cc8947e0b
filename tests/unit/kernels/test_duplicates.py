"""Rows that share a key: every column counts, of whatever type, and every row of the key."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.duplicates import Duplicates, in_several_buckets

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
TYPES = {
    "text": (pa.string(), ["a", "b", "A", "a ", "ä", "", None]),
    "int": (pa.int32(), [0, 1, -1, 2**31 - 1, None]),
    "bigint": (pa.int64(), [0, 2**53, 2**53 + 1, -1, None]),
    "float": (pa.float32(), [0.0, 0.5, float(np.nextafter(np.float32(0.5), np.float32(1))), None]),
    "double": (pa.float64(), [0.0, 0.5, 0.5000000000000001, -0.5, float("inf"), 5e-324, None]),
    "day": (pa.date32(), [date(2026, 11, 16), date(2026, 11, 17), None]),
    "moment": (pa.timestamp("us", "UTC"), [NOON, NOON + timedelta(microseconds=1), None]),
    "boolean": (pa.bool_(), [True, False, None]),
    "lists": (
        pa.list_(pa.string()),
        [
            ["a", "b"],
            ["b", "a"],
            ["ab"],
            ["a"],
            ["a", ""],
            ["", "a"],
            ["a", None],
            [None, "a"],
            ["a", "b", "b"],
            [None],
            [None, None],
            [""],
            ["", ""],
            [],
            None,
        ],
    ),
}
"""By type, values that all differ."""


def nothing(rows, key):
    return rows.select(key).slice(0, 0)


def among(rows, key=("id",), conflicts=None):
    """(copies, conflicting) of each row, as lists."""
    named = nothing(rows, list(key)) if conflicts is None else conflicts
    found = Duplicates.among(rows, key, named)
    assert found.copies.dtype == found.conflicting.dtype == np.bool_
    return found.copies.tolist(), found.conflicting.tolist()


def pair(kind, one, other):
    """Two rows of a key, between sound ones of their own that have the same values."""
    values = [one, one, other, other]
    return pa.table({"id": ["i1", "i2", "i2", "i3"], "value": pa.array(values, kind)})


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param(kind, one, other, id=f"{name} {one!r} {other!r}")
        for name, (kind, values) in TYPES.items()
        for place, one in enumerate(values)
        for other in values[place:]
    ],
)
def test_a_row_is_a_copy_of_one_that_equals_it_and_contradicts_any_other(kind, one, other):
    for first, second in ((one, other), (other, one)):
        copies, conflicting = among(pair(kind, first, second))
        copy = repr(one) == repr(other)
        assert copies == [False, False, copy, False]
        assert conflicting == [False, not copy, not copy, False]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_rows_without_a_number_are_copies_too(kind):
    copies, _ = among(pair(kind, float("nan"), float("nan")))
    assert copies == [False, False, True, False]


def test_zeros_of_two_signs_are_told_apart():
    for values in ((0.0, -0.0), (-0.0, 0.0)):
        _, conflicting = among(pair(pa.float64(), *values))
        assert conflicting == [False, True, True, False]


def test_nan_is_no_other_value():
    for other in (None, 0.0, float("inf")):
        _, conflicting = among(pair(pa.float64(), float("nan"), other))
        assert conflicting == [False, True, True, False]


@pytest.mark.parametrize(
    ("one", "other"), [(["a\x1fb", "c"], ["a", "b\x1fc"]), (["a", None], ["a", "\x1e"]), ([None], ["\x1e"])]
)
def test_lists_of_any_text_are_told_apart(one, other):
    _, conflicting = among(pair(pa.list_(pa.string()), one, other))
    assert conflicting == [False, True, True, False]


def test_any_column_tells_rows_apart_and_a_null_is_as_good_as_a_value():
    kinds = {name: kind for name, (kind, _) in TYPES.items()}
    for null in (False, True):
        row = {name: None if null else values[0] for name, (_, values) in TYPES.items()}
        for changed, (_, values) in TYPES.items():
            rows = [{"id": "i", **row}, {"id": "i", **row, changed: values[1]}]
            table = pa.Table.from_pylist(
                [rows[0], rows[0], rows[1]], pa.schema([("id", pa.string()), *kinds.items()])
            )
            assert among(table) == ([False] * 3, [True] * 3), changed
            assert among(table.slice(0, 2)) == ([False, True], [False, False])


def test_a_third_row_like_the_first_does_not_outvote_the_second():
    for values in ([1, 2, 1], [1, 1, 2], [2, 1, 1], [1, 2, 3]):
        rows = pa.table({"id": ["i"] * 3, "value": values})
        assert among(rows) == ([False] * 3, [True] * 3)


def test_of_copies_all_but_the_first_are_told():
    rows = pa.table({"id": ["a", "b", "a", "a", "c", "b"], "value": [1, 2, 1, 1, 3, 2]})
    assert among(rows) == ([False, False, True, True, False, True], [False] * 6)


def test_no_rows_are_no_duplicates():
    rows = pa.table({"id": pa.array([], pa.string()), "value": pa.array([], pa.list_(pa.string()))})
    assert among(rows) == ([], [])
    assert among(rows, conflicts=pa.table({"id": ["a"]})) == ([], [])


def test_a_key_may_be_of_several_columns():
    """Joined they are alike, and each of them alone is as well."""
    rows = pa.table(
        {
            "one": ["a", "ab", "a", "a", None, "a", "ab"],
            "other": ["bc", "c", "bc", "b", "a", None, "b"],
            "number": [1, 1, 1, 1, 1, 1, 2],
            "value": [5, 6, 5, 7, 8, 9, 10],
        }
    )
    assert among(rows, ("one", "other", "number")) == ([False, False, True, *[False] * 4], [False] * 7)
    assert among(rows, ("number",))[1] == [True] * 6 + [False]
    assert among(rows, ("one",))[1] == [True, True, True, True, False, True, True]
    assert among(rows, ("number", "other"))[1] == [False] * 7
    assert among(rows, ("other", "number"))[0] == [False, False, True, False, False, False, False]


@pytest.mark.parametrize("key", [("id",), ("id", "slot")])
def test_keys_are_named_from_elsewhere_too(key):
    rows = pa.table(
        {"id": ["a", "b", "b", "c", "d", "d"], "slot": [1, 1, 1, 2, 1, 1], "value": [1, 2, 2, 3, 4, 5]}
    )
    named = pa.table({"id": ["b", "c", "nobody", "b"], "slot": [1, 3, 1, 1]}).select(list(key))
    copies, conflicting = among(rows, key, named)
    c = key == ("id",)
    assert conflicting == [False, True, True, c, True, True]
    assert copies == [False] * 6


def test_which_keys_are_in_several_buckets():
    keys = pa.table(
        {
            "id": ["a", "b", "a", "c", "b", "c", "c", "d"],
            "slot": [1, 1, 1, 1, 1, 2, 2, 1],
            "bucket": pa.array([0, 1, 2, 0, 1, 1, 1, 5], pa.int32()),
        }
    )
    by_id = in_several_buckets(keys, ("id",))
    assert sorted(by_id["id"].to_pylist()) == ["a", "c"]
    assert by_id.column_names == ["id"]
    by_both = in_several_buckets(keys, ("id", "slot"))
    assert by_both.to_pylist() == [{"id": "a", "slot": 1}]
    assert in_several_buckets(keys.slice(0, 0), ("id",)).num_rows == 0


def random_rows(dice):
    """Rows of few keys and few values, so that there are copies and conflicts of every kind."""
    schema = pa.schema([("id", pa.string()), *((name, kind) for name, (kind, _) in TYPES.items())])
    rows = []
    for _ in range(dice.randint(0, 40)):
        rows.append({"id": dice.choice("abcdefghijklmnop"), **{n: v[0] for n, (_, v) in TYPES.items()}})
        if dice.random() < 0.2:
            name = dice.choice([*TYPES])
            rows[-1][name] = dice.choice(TYPES[name][1])
    return rows, schema


@pytest.mark.parametrize("number", range(20))
def test_duplicates_are_those_of_the_definition_however_rows_lie_in_memory(number):
    dice = Random(number)  # noqa: S311
    rows, schema = random_rows(dice)
    forms = defaultdict(set)
    for row in rows:
        forms[row["id"]].add(json.dumps(row, default=str))
    conflicting = [len(forms[row["id"]]) > 1 for row in rows]
    ids = [row["id"] for row in rows]
    copies = [id_ in ids[:place] and not conflicting[place] for place, id_ in enumerate(ids)]
    table = pa.Table.from_pylist(rows, schema)
    assert among(table) == (copies, conflicting)
    chunks = [table.slice(begin, 3) for begin in range(0, len(rows), 3)]
    assert among(pa.concat_tables([schema.empty_table(), *chunks])) == (copies, conflicting)
    around = pa.Table.from_pylist([*rows[::-1], *rows, *rows], schema).slice(len(rows), len(rows))
    assert among(around) == (copies, conflicting)
