from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.contracts import load
from nightslate.core.ope.sample import ROUNDING
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import ids, numbers, require
from nightslate.files.rows import Rows
from nightslate.records.chunks import Chunk


def column(values, kind=None):
    table = pa.table({"a": pa.array(values, kind)})
    path = Path("a.parquet")
    rows = Rows(path, (Chunk(table, np.arange(len(values)) + 1),), ((path, 0),))
    return rows, BadRows(rows)


def reasons(bad):
    return dict(Counter(row.reason for row in bad.all()))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, 3]),
        pa.array(["1", " 2.0 ", "+3e0"]),
        pa.array(["1", "2", "3."], pa.large_string()),
        pa.array(["1", "2", "3"]).dictionary_encode(),
        pa.array([1, 2, 3], pa.float32()),
        pa.array([Decimal("1"), Decimal("2"), Decimal("3")]),
    ],
)
def test_numbers_in_any_type(values):
    table, bad = column(values)
    assert numbers(table, "a", bad).tolist() == [1, 2, 3]
    assert bad.good.all()


@pytest.mark.parametrize(
    "odd", ["", "x", "yes", "1,5", "0x1", "1_0", "nan", "-Infinity", "1e999", "1 2", "٣"]
)
def test_text_that_is_no_number_is_not_taken_for_one(odd):
    table, bad = column(["1", odd, "3"])
    assert numbers(table, "a", bad).tolist() == [1, 1, 3]
    assert bad.good.tolist() == [True, False, True]


def test_other_types_are_no_numbers():
    table, bad = column([[1.0], None])
    numbers(table, "a", bad)
    assert reasons(bad) == {"a is not a number": 1, "a is missing": 1}
    table, bad = column([None, None])
    numbers(table, "a", bad)
    assert reasons(bad) == {"a is missing": 2}


def test_booleans_are_0_and_1():
    for values in ([True, False], ["true", "FALSE"], ["True", "0"]):
        table, bad = column(values)
        assert numbers(table, "a", bad).tolist() == [1, 0]
        assert bad.good.all()


@given(st.lists(st.text(max_size=40), max_size=30, unique=True))
@settings(deadline=None, max_examples=50)
def test_distinct_ids_have_distinct_keys_wherever_they_stand(texts):
    table, bad = column([*texts, *texts[::-1]], pa.string())
    found = ids(table, "a", bad)
    keys = found.keys
    assert keys.dtype == np.uint64
    assert np.unique(keys).size == len(texts)
    assert (keys[: len(texts)] == keys[len(texts) :][::-1]).all()
    assert [found.names[place] for place in found.places[: len(texts)]] == texts
    for place, text in enumerate(texts):
        table, bad = column([text])
        assert ids(table, "a", bad).keys[0] == keys[place]


def test_all_of_a_long_id_counts():
    texts = ["a" * 30, "b" + "a" * 29, "a" * 15 + "b" + "a" * 14, "a" * 29 + "b", "a" * 29, "a" * 29 + "\0"]
    table, bad = column(texts)
    assert np.unique(ids(table, "a", bad).keys).size == len(texts)


def test_many_ids_do_not_collide():
    table, bad = column(pa.array(np.arange(200_000)))
    assert np.unique(ids(table, "a", bad).keys).size == 200_000


def test_ids_are_the_same_as_numbers_and_as_text():
    kinds = [pa.array(["7", "12"]), pa.array([7, 12]), pa.array([7.0, 12.0]), pa.array([7, 12], pa.uint8())]
    keys = [ids(table, "a", bad).keys.tolist() for table, bad in map(column, kinds)]
    assert all(each == keys[0] for each in keys)


def test_ids_that_are_missing_or_not_whole_are_bad():
    table, bad = column([1.0, None, 1.5, 2.0**60, 3.0])
    found = ids(table, "a", bad)
    large = "a is a floating point number too large to be exact: write it as an integer or as text"
    assert reasons(bad) == {"a is missing": 1, "a is not text or a whole number": 1, large: 1}
    assert len({*found.keys[[0, 4]].tolist()}) == 2
    table, bad = column([[1]])
    with pytest.raises(ContractError, match="ids are text or whole numbers"):
        ids(table, "a", bad)


def test_a_missing_column_names_what_is_there():
    require(["a"], ["a"])
    with pytest.raises(ContractError, match=r"no column b and c; it has a$"):
        require(["a"], ["a", "b", "c"])


def test_another_delimiter_is_named():
    with pytest.raises(ContractError, match=r"it has a;b: its columns are separated by ';'"):
        require(["a;b"], ["a", "b"])


def test_a_probability_that_float32_rounded_over_1_is_1():
    path = Path("a.csv")
    table = pa.table(
        {"propensity": ["1.0000001", "1.000001", "1.0000011"], "target_propensity": ["1.0000001"] * 3}
    )
    rows = Rows(path, (Chunk(table, np.arange(3) + 1),), ((path, 0),))
    bad = BadRows(rows)
    assert numbers(rows, "propensity", bad).tolist()[:2] == [1, 1]
    assert numbers(rows, "target_propensity", bad).tolist() == [1, 1, 1]
    assert [(row.number, row.reason, row.value) for row in bad.all()] == [
        (3, "propensity is not in (0, 1]", '"1.0000011"')
    ]
    assert load("impressions").column("propensity").rounding == ROUNDING
