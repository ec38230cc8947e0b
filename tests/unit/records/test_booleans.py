"""Yes and no in whichever type a file has them."""

import decimal

import pyarrow as pa
import pytest

from nightslate.records.booleans import booleans


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False, None]),
        pa.array([1, 0, None], pa.int8()),
        pa.array([1.0, 0.0, None]),
        pa.array([decimal.Decimal(1), decimal.Decimal(0), None]),
        pa.array(["true", "False", ""]),
        pa.array([" TRUE", "0", None]),
        pa.array(["1", "0.0", None]).dictionary_encode(),
    ],
)
def test_what_is_true_or_false(values: pa.Array) -> None:
    found = booleans(values)
    assert found.array.to_pylist() == [True, False, None]
    assert not any(wrong.any() for wrong, _ in found.faults)


@pytest.mark.parametrize(
    "values",
    [pa.array(["yes", "true"]), pa.array([2, 1]), pa.array([0.5, 1.0]), pa.array([float("nan"), 1.0])],
)
def test_what_is_neither_is_named_and_null(values: pa.Array) -> None:
    found = booleans(values)
    assert found.array.to_pylist() == [None, True]
    assert {text.fault for wrong, text in found.faults if wrong.any()} == {"is neither true nor false"}


def test_a_type_that_can_be_neither() -> None:
    found = booleans(pa.array([[True], None]))
    assert found.array.to_pylist() == [None, None]
    assert [wrong.tolist() for wrong, _ in found.faults] == [[True, False]]
