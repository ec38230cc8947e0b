"""How often values occur: as a Counter would have it, in any parts and after any journey."""

from collections import Counter
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core import npz
from nightslate.kernels.value_counts import ValueCounts

COLUMNS = ("colour", "arm_id", "slot", "reward")
SCHEMA = pa.schema(
    [
        ("colour", pa.string()),
        ("arm_id", pa.string()),
        ("slot", pa.int32()),
        ("reward", pa.float64()),
        ("other", pa.string()),
    ]
)


def rows(n=500):
    dice = np.random.default_rng(2)
    return pa.Table.from_pylist(
        [
            {
                "colour": [None, "blue", "red", "blå", ""][dice.integers(5)],
                "arm_id": f"arm {dice.zipf(1.6)}",
                "slot": int(dice.integers(1, 4)),
                "reward": [None, 0.0, -0.0, 0.5, 1.0, -2.0][dice.integers(6)],
                "other": "not asked for",
            }
            for _ in range(n)
        ],
        SCHEMA,
    )


def counted(table):
    return ValueCounts.initial(COLUMNS).update(table).by_column


def by_hand(table):
    found = {name: Counter(v for v in table[name].to_pylist() if v is not None) for name in COLUMNS}
    return {name: dict(counts) for name, counts in found.items()}


def as_values(by_column):
    """Numbers as numbers again."""
    numbers = {"slot": int, "reward": float}
    return {
        name: {numbers.get(name, str)(float(v) if name in numbers else v): n for v, n in counts.items()}
        for name, counts in by_column.items()
    }


def travelled(counts):
    """As an engine takes a state from a worker to who merges it."""
    return ValueCounts.from_arrays(npz.unpack(npz.pack(counts.arrays())))


def test_counts_are_those_of_a_counter_and_nulls_are_none():
    assert as_values(counted(rows())) == by_hand(rows())
    assert set(counted(rows())) == {*COLUMNS}
    for values in counted(rows()).values():
        assert all(isinstance(value, str) and isinstance(n, int) for value, n in values.items())


def test_chunks_and_slices_make_no_difference():
    table = rows()
    in_chunks = pa.concat_tables(table.slice(begin, 37) for begin in range(0, 500, 37))
    assert in_chunks["colour"].num_chunks > 10
    assert counted(in_chunks) == counted(table)
    assert counted(table.slice(100, 50)) == counted(pa.Table.from_pylist(table.to_pylist()[100:150], SCHEMA))


@pytest.mark.parametrize("parts", [1, 3, 100])
def test_rows_may_come_in_any_parts(parts):
    table, nothing = rows(), ValueCounts.initial(COLUMNS)
    dealt = [table.take(list(range(part, 500, parts))) for part in range(parts)]
    merged = reduce(ValueCounts.merge, [nothing.update(part) for part in dealt])
    one_by_one = reduce(ValueCounts.update, dealt, nothing)
    sent = reduce(ValueCounts.merge, [travelled(nothing.update(part)) for part in dealt], nothing)
    assert merged.by_column == one_by_one.by_column == sent.by_column == counted(table)


def test_merging_changes_neither():
    one, other = (ValueCounts.initial(COLUMNS).update(rows().slice(*part)) for part in ((0, 9), (9, 99)))
    before = [counted(rows().slice(0, 9)), counted(rows().slice(9, 99))]
    both = one.merge(other)
    assert [one.by_column, other.by_column] == before
    assert both.merge(one).by_column == other.merge(one).merge(one).by_column


def test_counts_travel_as_arrays_and_so_do_those_of_no_rows_or_no_columns():
    found = ValueCounts.initial(COLUMNS).update(rows())
    assert travelled(found).by_column == found.by_column
    nothing = ValueCounts.initial(COLUMNS)
    assert travelled(nothing).by_column == nothing.by_column == {name: {} for name in COLUMNS}
    assert nothing.update(SCHEMA.empty_table()).by_column == nothing.by_column
    assert travelled(ValueCounts.initial(())).update(rows()).by_column == {}


@pytest.mark.parametrize(
    "text",
    [
        "a\0",
        "\0",
        "a\0b",
        "a ",
        "e\u0301",
        "\U0001f600",
        "line\nbreak",
        "x" * 500,
    ],
)
def test_no_two_texts_are_taken_for_one_on_the_way(text):
    table = pa.table({"colour": [text, text, text.rstrip("\0 "), "plain"]})
    found = ValueCounts.initial(("colour",)).update(table)
    assert travelled(found).by_column == found.by_column == {"colour": Counter(table["colour"].to_pylist())}


def test_numbers_are_told_to_8_binary_digits_towards_0():
    """So that few are told apart, whatever there is; what is finite stays so, and 0 is one number."""
    numbers = [1.0, 1.003, -1.003, 0.0, -0.0, 10_000.5, 1e300, -1e300, 257.9, 2.0**-130]
    found = ValueCounts.initial(("reward",)).update(pa.table({"reward": numbers})).by_column["reward"]
    told = {float(value): n for value, n in found.items()}
    largest = float((np.array([0x7F7F0000], np.uint32)).view(np.float32)[0])
    assert told.pop(1.0) == 2
    assert told.pop(0.0) == 2
    assert (
        told.pop(-1.0) == told.pop(9984.0) == told.pop(largest) == told.pop(-largest) == told.pop(256.0) == 1
    )
    ((tiny, n),) = told.items()
    assert (0 < tiny <= 2.0**-130, n) == (True, 1)
    assert all(np.isfinite(float(value)) for value in found)
    assert "-0.0" not in found
