"""What slates expect to show first, and what they do."""

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.first_slot_totals import TOTALS, first_slot_totals

from .test_scoring import fitted, people, scoring, uniform


def test_totals_are_those_of_each_row_by_itself():
    """Models with other arms in another order beside one another."""
    slates = scoring({"champion": (0.5, fitted(("e", "c", "a"))), "random": (0.5, uniform())}).scored(
        people(90)
    )
    found = {row["arm_id"]: row for row in first_slot_totals(slates).to_pylist()}
    expected, shown = dict.fromkeys("abcde", 0.0), dict.fromkeys("abcde", 0)
    for row in slates.to_pylist():
        for arm, weight in zip(row["candidates"], row["weights"], strict=True):
            expected[arm] += weight / sum(row["weights"])
        shown[row["ranking"][0]] += 1
    assert {arm: row["expected"] for arm, row in found.items()} == pytest.approx(expected, rel=1e-12)
    assert {arm: row["shown"] for arm, row in found.items()} == shown


def test_coded_texts_make_no_difference():
    slates = scoring().scored(people(20))
    coded = pa.list_(pa.dictionary(pa.int32(), pa.string()))
    encoded = slates
    for name in ("candidates", "ranking"):
        at = slates.schema.get_field_index(name)
        values = pa.array(slates[name].to_pylist(), coded)
        encoded = encoded.set_column(at, name, values)
    assert first_slot_totals(encoded).to_pylist() == first_slot_totals(slates).to_pylist()


def test_no_slates():
    nobody = scoring().scored(people(2)).slice(0, 0)
    assert first_slot_totals(nobody).schema == TOTALS
    assert np.size(first_slot_totals(nobody)["shown"]) == 0
