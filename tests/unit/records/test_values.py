"""Ids, numbers, moments and lists: the same whatever type a file has them in."""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.records.ids import INEXACT, NOT_AN_ID, Written, are_ids, ids
from nightslate.records.instants import INSTANT, NAIVE, NAIVE_TYPE, NO_TIME, NOT_ISO, TOO_FAR, instants
from nightslate.records.lists import NO_IDS, NO_NUMBERS, id_lists, number_lists
from nightslate.records.numbers import NOT_A_NUMBER, NOT_WHOLE, numbers, whole_numbers
from nightslate.records.pointed import pointed_columns_of

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
NAME = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


def faults(values):
    """What is wrong, by place."""
    return {place: how for wrong, how in values.faults for place in np.flatnonzero(wrong).tolist()}


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array([7, 12, None], kind) for kind in INTEGERS),
        *(pa.array(np.array([7, 12, np.nan], kind)) for kind in ("f2", "f4", "f8")),
        pa.array([7.0, 12.0, None]),
        pa.array([Decimal("7.00"), Decimal("12.00"), None]),
        pa.array([Decimal("7"), Decimal("12"), None], pa.decimal256(50, 3)),
        pa.array(["7", "12", None]),
        pa.array(["7", "12", ""]),
        pa.array(["7", "12", None], pa.large_string()),
        pa.array(["7", "12", None], pa.string_view()),
        pa.array(["7", "12", None]).dictionary_encode(),
        pa.array([7, 12, None]).dictionary_encode(),
        pa.chunked_array([["7"], ["12", None]]),
    ],
)
def test_a_whole_number_is_its_digits_in_every_type(column):
    found = ids(column)
    assert found.array.to_pylist() == ["7", "12", None]
    assert not faults(found)


@pytest.mark.parametrize(
    ("column", "read_as"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([-(2**63)]), "-9223372036854775808"),
        (pa.array([-0.0]), "0"),
        (pa.array([Decimal("12345678901234567890123456789")]), "12345678901234567890123456789"),
        (pa.array([2.0**53 - 1]), "9007199254740991"),
        (pa.array([True]), "true"),
        (pa.array([NAME.bytes], pa.binary(16)), str(NAME)),
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([NAME.bytes], pa.binary(16))), str(NAME)),
        (pa.array([b"\x0a\xff"], pa.binary(2)), "0aff"),
        (pa.array(["007"]), "007"),
        (pa.array([" 7"]), " 7"),
        (pa.array(["7.0"]), "7.0"),
        (pa.array(["1e3"]), "1e3"),
    ],
)
def test_the_one_form_of_an_id(column, read_as):
    found = ids(column)
    assert found.array.to_pylist() == [read_as]
    assert not faults(found)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (pa.array([1.5]), NOT_AN_ID),
        (pa.array([np.inf]), NOT_AN_ID),
        (pa.array([2.0**53]), INEXACT),
        (pa.array([-(2.0**60)]), INEXACT),
        (pa.array([2.0**24], pa.float32()), INEXACT),
        (pa.array([Decimal("7.50")]), NOT_AN_ID),
        (pa.array([b"x"]), NOT_AN_ID),
        (pa.array([["x"]]), NOT_AN_ID),
        (pa.array([NOON]), NOT_AN_ID),
    ],
)
def test_what_is_no_id_is_refused_and_says_why(column, wrong):
    found = ids(column)
    assert faults(found) == {0: wrong}
    assert found.array.to_pylist() == [None]


@pytest.mark.parametrize(
    ("texts", "pointed"),
    [
        (["7.0", "12.0", None, ""], True),
        (["7.0", "12"], True),
        (["-3.0", "0.00"], True),
        (["7", "12"], False),
        ([None], False),
        (["7.0", "x"], False),
        (["1.0", "1.5"], False),
        (["007.0", "12.0"], False),
        (["1e5", "7.0"], False),
    ],
)
def test_text_is_whole_numbers_only_where_a_whole_column_is(texts, pointed):
    whole, halves = Written(), Written()
    whole.update(pa.array(texts, pa.string()))
    for text in texts:
        halves.update(pa.array([text], pa.string_view()))
    halves.update(pa.array([7]))
    assert (whole.pointed, halves.pointed) == (pointed, pointed)


def test_pointed_numbers_lose_their_point_and_large_ones_are_refused():
    found = ids(pa.array(["7.0", "12", "-3.00", "9007199254740993.0", "1e+16", "9007199254740993", ""]), True)
    assert found.array.to_pylist() == ["7", "12", "-3", None, None, "9007199254740993", None]
    assert faults(found) == {3: INEXACT, 4: INEXACT}


def test_a_column_is_judged_over_all_files_that_belong_together(tmp_path):
    """However they are split: one value that is no such number, in whichever file, makes it text."""
    for name, content in (
        ("a.csv", "u,v\n7.0,1.0\n"),
        ("b.jsonl", '{"u": "8.0"}\n{"u": 9}\n'),
        ("c.csv", "v\nx\n"),
    ):
        (tmp_path / name).write_text(content)
    files = sorted(tmp_path.iterdir())
    assert pointed_columns_of(files, ["u", "v", "w"]) == {"u"}
    assert pointed_columns_of(files[:2], ["u", "v"]) == {"u", "v"}
    pa.parquet.write_table(pa.table({"v": [2.0], "u": ["1"]}), tmp_path / "d.parquet")
    (tmp_path / "e.parquet").write_text("damaged")
    assert pointed_columns_of([*files, tmp_path / "d.parquet", tmp_path / "e.parquet"], ["u"]) == {"u"}
    pa.parquet.write_table(pa.table({"u": ["x"]}), tmp_path / "d.parquet")
    assert pointed_columns_of([*files, tmp_path / "d.parquet"], ["u"]) == set()


def test_types_that_can_be_ids():
    for kind in (
        *INTEGERS,
        pa.float32(),
        pa.decimal128(5, 2),
        pa.large_string(),
        pa.uuid(),
        pa.binary(3),
        pa.null(),
    ):
        assert are_ids(kind)
    for kind in (pa.binary(), pa.list_(pa.string()), pa.timestamp("us", "UTC"), pa.date32(), pa.struct([])):
        assert not are_ids(kind)


@pytest.mark.parametrize("kind", [*INTEGERS, pa.float32(), pa.float64(), pa.decimal128(25, 2), pa.bool_()])
def test_numbers_of_any_type_and_as_text(kind):
    assert numbers(pa.array([1, 0, None]).cast(kind)).array.to_pylist() == [1.0, 0.0, None]
    assert whole_numbers(pa.array([1, 0, None]).cast(kind), pa.int32()).array.to_pylist() == [1, 0, None]


def test_text_that_is_a_number():
    texts = [" 1.50 ", "+3e2", ".5", "NaN", "-inf", "TRUE", "False", "", "1,5", "yes", None]
    found = numbers(pa.array(texts, pa.string_view()))
    assert repr(found.array.to_pylist()) == repr(
        [1.5, 300.0, 0.5, float("nan"), float("-inf"), 1.0, 0.0, None, None, None, None]
    )
    assert faults(found) == {8: NOT_A_NUMBER, 9: NOT_A_NUMBER}


@pytest.mark.parametrize("odd", [1.5, "1.5", 2**31, float(2**31), str(2**40), "nan", Decimal("0.5")])
def test_what_is_no_whole_number_of_32_bits(odd):
    found = whole_numbers(pa.array([odd]), pa.int32())
    assert faults(found) == {0: NOT_WHOLE}
    assert found.array.to_pylist() == [None]


def test_whole_numbers_that_64_bits_do_not_hold():
    found = whole_numbers(pa.array([2**63, 2**63 - 1], pa.uint64()), pa.int64())
    assert found.array.to_pylist() == [None, 2**63 - 1]
    assert faults(found) == {0: NOT_WHOLE}


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-20T12:00:00Z",
        "2026-01-20 12:00Z",
        " 2026-01-20T13:00:00.000000+01:00 ",
        "2026-01-20T07:00:00-0500",
        "2026-01-20T14:00+02",
        "2026-01-20T12:00:00.000000999Z",
        "2026-01-20 14:00:00.0000009+02",
    ],
)
def test_text_that_is_a_moment(text):
    found = instants(pa.array([text, "2026-02-30T00:00:00Z", ""]))
    assert found.array.type == INSTANT
    assert found.array.to_pylist() == [NOON, None, None]
    assert faults(found) == {1: NOT_ISO}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_any_unit_and_zone(unit):
    found = instants(pa.array([NOON, None], pa.timestamp(unit, "Europe/Berlin")))
    assert found.array.to_pylist() == [NOON, None]
    assert not faults(found)


def test_what_is_finer_than_a_microsecond_is_cut_off_in_either_direction_of_time():
    found = instants(pa.array([1999, -1], pa.timestamp("ns", "UTC")))
    assert found.array.cast(pa.int64()).to_pylist() == [1, -1]
    texts = instants(pa.array(["1970-01-01T00:00:00.000001999Z", "1969-12-31T23:59:59.999999999Z"]))
    assert texts.array.equals(found.array)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (pa.array([NOON.replace(tzinfo=None)]), NAIVE_TYPE),
        (pa.array(["2026-01-20T12:00:00"]), NAIVE),
        (pa.array(["2026-01-20"]), NAIVE),
        (pa.array(["20 January"]), NOT_ISO),
        (pa.array(["1768910400"]), NOT_ISO),
        (pa.array([1768910400]), NO_TIME),
        (pa.array([NOON.date()]), NO_TIME),
        (pa.array([2**62], pa.timestamp("ms", "UTC")), TOO_FAR),
    ],
)
def test_what_is_no_moment(column, wrong):
    found = instants(column)
    assert faults(found) == {0: wrong}
    assert found.array.null_count == 1


LISTS = [["a", "b"], None, []]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string_view()),
        pa.list_view(pa.string()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_lists_of_any_type_and_as_json(kind):
    column = (
        pa.array(LISTS, pa.list_(pa.string()))
        if pa.types.is_dictionary(kind.value_type)
        else pa.array(LISTS, kind)
    )
    found = id_lists(column)
    assert found.array.to_pylist() == LISTS
    texts = id_lists(pa.array([None if items is None else json.dumps(items) for items in LISTS]))
    assert texts.array.equals(found.array)
    assert id_lists(pa.array([["a", "b"]], pa.list_(pa.string(), 2))).array.to_pylist() == [["a", "b"]]


def test_lists_of_numbers_are_lists_of_ids_and_gaps_are_none():
    assert id_lists(pa.array([[7, 12]])).array.to_pylist() == [["7", "12"]]
    assert id_lists(pa.array(['[7, "x", 8.0]'])).array.to_pylist() == [["7", "x", "8"]]
    assert number_lists(pa.array(["[1, 2.5]", "[]"])).array.to_pylist() == [[1.0, 2.5], []]
    found = id_lists(pa.array([["a", None], ["b"], [""]]))
    assert faults(found) == {0: NO_IDS, 2: NO_IDS}
    assert found.array.to_pylist() == [None, ["b"], None]
    for odd in ('["x"]', "[true]", "{}", "1,2", "[1, null]", "[" * 100_000):
        assert faults(number_lists(pa.array(["[1]", odd, None]))) == {1: NO_NUMBERS}
