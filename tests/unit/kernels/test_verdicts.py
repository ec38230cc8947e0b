"""What is wrong with a row is said once: the first verdict stands."""

import pyarrow as pa

from nightslate.kernels.verdicts import rejected

ROWS = pa.table(
    {
        "n": pa.array([1, 2, 3, 4]),
        "_reason": pa.array([None, "required", None, None], pa.string()),
        "_clause": pa.array([None, "n is required", None, None], pa.string()),
        "file": pa.array(["a"] * 4),
    }
)


def verdicts(broken):
    found = rejected(ROWS, pa.chunked_array([broken]), "not_allowed", "n is odd")
    assert found.schema == ROWS.schema
    assert found.drop_columns(["_reason", "_clause"]) == ROWS.drop_columns(["_reason", "_clause"])
    return list(zip(found["_reason"].to_pylist(), found["_clause"].to_pylist(), strict=True))


def test_a_verdict_is_on_rows_that_are_broken_and_have_none():
    old, new, none = ("required", "n is required"), ("not_allowed", "n is odd"), (None, None)
    assert verdicts([False, True, True, False]) == [none, old, new, none]
    assert verdicts([True, False, False, True]) == [new, old, none, new]


def test_where_nothing_is_broken_nothing_changes():
    assert rejected(ROWS, pa.chunked_array([[False] * 4]), "not_allowed", "n is odd") == ROWS
    assert rejected(ROWS.slice(0, 0), pa.chunked_array([], pa.bool_()), "required", "n").num_rows == 0
