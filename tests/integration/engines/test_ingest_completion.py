"""Rows of landing files that are completed by what lies beside them."""

import json

import pytest
from tests.unit.kernels.landed import CONFORMER, good, write_parquet

from nightslate.contracts import arrow, load
from nightslate.engines import Input
from nightslate.kernels.log_completion import CompletedImpressions
from nightslate.kernels.shown_for import ShownFor
from nightslate.kernels.slate_propensities import SLATE_COLUMNS
from nightslate.pipeline.log_intake import Completion

from .taking_in import WITH_SLATES, aged, ages, kept, rows_of, why

NO_SLATES = Input([], arrow.schema(load("slates")), partition="slate_date").columns(SLATE_COLUMNS)


@pytest.mark.parametrize("buckets", [1, 7])
def test_rows_are_completed_once_they_are_sound_and_single_by_what_lies_in_their_bucket(
    taken, tmp_path, buckets
):
    asked = []

    def complete(rows, read):
        asked.append((rows["impression_id"].to_pylist(), read().num_rows))
        assert rows.schema == CONFORMER.schema()
        return aged(rows, read)

    rows = [
        good(1, age=None),
        good(2),
        good(2),
        good(3, slot=0, slate_id="unknown"),
        good(4, slate_id="unknown"),
    ]
    rows += [good(5), good(5, arm_id="b"), good(6, slate_id="unknown", age=None)]
    file = write_parquet(tmp_path / "a", rows, WITH_SLATES)
    completed = taken([file], Completion(complete, ages(tmp_path / "ages", buckets)), buckets=buckets)
    assert sorted(name for names, _ in asked for name in names) == ["i1", "i2", "i4", "i6"]
    assert all(count == 100 if buckets == 1 else 0 < count < 100 for _, count in asked)
    assert kept(completed) == ["i1", "i2"]
    assert rows_of(completed)["age"].to_pylist() == [91.0, 30.0]
    assert why(completed) == [
        *[("conflicting_duplicate", "a.parquet")] * 2,
        ("out_of_range", "a.parquet"),
        *[("unknown_slate", "a.parquet")] * 2,
    ]
    found = {
        row["row_number"]: row for row in completed.rejects.to_pylist() if row["reason"] == "unknown_slate"
    }
    assert found.keys() == {5, 8}
    assert {row["clause"] for row in found.values()} == {"a clause"}
    whole = json.loads(found[8]["row"])
    assert (whole["impression_id"], whole["age"]) == ("i6", 96.0), "as far as it was completed"
    assert (completed.total, completed.copies) == (8, 1)


def test_what_lies_beside_is_read_only_if_a_sound_row_gives_the_column_to_go_by(taken, tmp_path):
    """Of impressions, that is what the slates say."""
    asked, complete = [], CompletedImpressions("conditional", ShownFor({"all": []}, {}))

    def watched(rows, read):
        def watched_read():
            asked.append(sorted(rows["impression_id"].to_pylist()))
            return read()

        return complete(rows, watched_read)

    rows = [good(1, age=None), good(2), good(2), good(3, slot=0, slate_id="unknown")]
    file = write_parquet(tmp_path / "a", rows, WITH_SLATES)
    left_alone = taken([file], Completion(watched, NO_SLATES), buckets=1)
    assert (asked, kept(left_alone)) == ([], ["i1", "i2"])
    assert rows_of(left_alone)["propensity_kind"].to_pylist() == ["conditional"] * 2

    file = write_parquet(tmp_path / "b", [*rows, good(4, slate_id="unknown", propensity=None)], WITH_SLATES)
    completed = taken([file], Completion(watched, NO_SLATES), buckets=1)
    assert (asked, kept(completed)) == ([["i1", "i2", "i4"]], ["i1", "i2"])
    assert why(completed) == [("out_of_range", "b.parquet"), ("unknown_slate", "b.parquet")]
    (row,) = [row["row"] for row in completed.rejects.to_pylist() if row["reason"] == "unknown_slate"]
    assert json.loads(row)["impression_id"] == "i4"
    assert (completed.total, completed.copies) == (5, 1)
