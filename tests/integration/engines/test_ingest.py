"""Landing files through an engine: duplicates, damaged files, and rows that are rejected."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.kernels.landed import (
    CONFORMER,
    DS,
    PARQUET,
    good,
    write_csv,
    write_damaged_half_way,
    write_jsonl,
    write_parquet,
)

from nightslate.contracts import arrow, load
from nightslate.kernels.ingest import OfBucket
from nightslate.pipeline.log_intake import take_in

from .taking_in import CHANGES, kept, night, why


def test_no_files_are_no_rows(taken, tmp_path):
    ingested = taken([])
    assert (kept(ingested), why(ingested)) == ([], [])
    assert (ingested.total, ingested.copies, ingested.unusable_files) == (0, 0, 0)
    columns = [column.name for column in CONFORMER.contract.landing_columns]
    nothing = CONFORMER.schema().empty_table()
    made = OfBucket(CONFORMER, nothing.select(["impression_id"]))(nothing)
    assert (made.rows.column_names, made.rows.num_rows, made.rejects.num_rows, made.copies) == (
        columns,
        0,
        0,
        0,
    )
    handle = night(tmp_path / "empty").table("impressions")
    handle.publish(take_in(night(tmp_path / "empty"), handle, [], CONFORMER).staged, {})
    assert handle.is_written(DS), "an empty day is a day"


def test_files_without_rows_are_no_rows(taken, tmp_path):
    ingested = taken(
        [write_parquet(tmp_path / "a", []), write_csv(tmp_path / "b", []), write_jsonl(tmp_path / "c", [])]
    )
    assert (kept(ingested), why(ingested)) == ([], [])
    assert (ingested.total, ingested.copies, ingested.unusable_files) == (0, 0, 0)


@pytest.mark.parametrize("buckets", [1, 7])
def test_exact_copies_count_once_in_a_file_and_across_formats(taken, tmp_path, buckets):
    files = [
        write_parquet(tmp_path / "a", [good(1), good(1), good(2)]),
        write_csv(tmp_path / "b", [good(2), good(3, age=None)]),
        write_jsonl(tmp_path / "c", [good(2), good(3, age=None)]),
    ]
    ingested = taken(files, buckets=buckets)
    assert kept(ingested) == ["i1", "i2", "i3"]
    assert why(ingested) == []
    assert (ingested.total, ingested.copies) == (7, 4)


@pytest.mark.parametrize("buckets", [1, 2, 7, 97])
def test_rows_that_share_an_id_but_differ_are_all_rejected(taken, tmp_path, buckets):
    """The smallest difference counts, and a third row like the first does not outvote the second; also where
    they are of several users, who are in several buckets."""
    once = [good(i) for i in range(len(CHANGES))]
    differently = [good(i, **change) for i, change in enumerate(CHANGES)]
    files = [
        write_parquet(tmp_path / "a", [*once, good(8)]),
        write_jsonl(tmp_path / "b", [*differently, *once, good(9)]),
    ]
    ingested = taken(files, buckets=buckets)
    assert kept(ingested) == ["i8", "i9"]
    assert (ingested.total, ingested.copies) == (17, 0)
    rejects = ingested.rejects.to_pylist()
    assert len(rejects) == 15
    assert {row["reason"] for row in rejects} == {"conflicting_duplicate"}
    assert {row["clause"] for row in rejects} == {"rows with the same impression_id are equal"}
    assert {row["log"] for row in rejects} == {"impressions"}
    assert len({row["row"] for row in rejects}) == 10
    assert {json.loads(row["row"])["impression_id"] for row in rejects} == {f"i{i}" for i in range(5)}
    assert sorted((row["file"], row["row_number"]) for row in rejects) == [
        *(("a.parquet", number) for number in range(1, 6)),
        *(("b.jsonl", number) for number in range(1, 11)),
    ]
    assert "raw-user" not in str(rejects)


def test_one_id_of_many_users_is_nobodys(taken, tmp_path):
    """No two of the rows are in one bucket, and copies of each are no copies any more."""
    rows = [good(1, user_id=f"raw-user-{number}") for number in range(30)]
    files = [
        write_parquet(tmp_path / "a", [*rows[:15], *rows]),
        write_parquet(tmp_path / "b", [good(2), good(2)]),
    ]
    ingested = taken(files, buckets=97)
    assert kept(ingested) == ["i2"]
    assert (ingested.total, ingested.copies, len(ingested.rejects)) == (47, 1, 45)


def test_lists_are_compared_item_by_item(taken, tmp_path):
    lists = [["a", "b"], ["b", "a"], ["a"], ["ab"], None]
    schema = PARQUET.append(pa.field("eligible_arms", pa.list_(pa.string())))
    once = [good(i, eligible_arms=each) for i, each in enumerate(lists)]
    for i, other in enumerate(lists):
        again = [good(i, eligible_arms=each) for i, each in enumerate([other] * len(lists))]
        ingested = taken(
            [write_parquet(tmp_path / "a", once, schema), write_jsonl(tmp_path / "b", again, schema)]
        )
        assert kept(ingested) == [f"i{i}"]
        assert (ingested.copies, len(ingested.rejects)) == (1, 8)


def test_a_damaged_file_costs_its_own_rows_also_those_before_the_damage(taken, tmp_path):
    bad = write_damaged_half_way(tmp_path / "bad")
    sound = write_parquet(tmp_path / "sound", [good(7), good(8, slot=2), good(9, slot=0)])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(sound.read_bytes()[:-20])
    gone = tmp_path / "gone.parquet"
    gone.symlink_to(tmp_path / "nowhere")
    ingested = taken([bad, cut, gone, sound])
    assert kept(ingested) == ["i7", "i8"]
    assert why(ingested) == [
        ("out_of_range", "sound.parquet"),
        ("unreadable_file", "bad.parquet"),
        ("unreadable_file", "cut.parquet"),
        ("unreadable_file", "gone.parquet"),
    ]
    assert (ingested.total, ingested.unusable_files) == (3, 3)


def test_rows_of_a_damaged_file_are_no_rivals_and_no_copies_of_sound_ones(taken, tmp_path):
    bad = write_damaged_half_way(tmp_path / "bad")
    ingested = taken([bad, write_parquet(tmp_path / "sound", [good(1), good(2, arm_id="b")])])
    assert kept(ingested) == ["i1", "i2"]
    assert (ingested.total, ingested.copies, ingested.unusable_files) == (2, 0, 1)


def test_a_rejected_row_costs_itself_and_is_no_rival_of_a_sound_one(taken, tmp_path):
    path = write_jsonl(tmp_path / "a", [good(1), good(1, propensity=0.0)])
    path.write_text(path.read_text() + '"raw-user"\n')
    ingested = taken([path])
    assert kept(ingested) == ["i1"]
    assert (ingested.total, ingested.unusable_files) == (3, 0)
    contract = load("quarantine")
    assert sorted(ingested.rejects.column_names) == sorted(column.name for column in contract.file_columns)
    schema = arrow.schema(contract, partition=False)
    assert ingested.rejects.select(schema.names).cast(schema).num_rows == 2
    refused, unread = sorted(ingested.rejects.to_pylist(), key=lambda row: row["reason"])
    assert (refused["reason"], unread["reason"]) == ("out_of_range", "unreadable_row")
    assert json.loads(refused["row"])["impression_id"] == "i1"
    assert unread["row"] is None
    assert len(unread["row_digest"]) == 64


def test_records_that_landed_are_rows_or_copies_or_rejects(taken, tmp_path):
    """Also where a quote never closes, a key stands twice, and a file cannot be read."""
    folder = tmp_path / "landed"
    folder.mkdir()
    quote = write_csv(folder / "a", [good(i, decision_id='"' if i == 3 else f"d{i}") for i in range(50)])
    quote.write_text(quote.read_text().replace('""""', '"'))
    twice = write_jsonl(folder / "b", [good(1), *(good(i) for i in range(60, 70))])
    twice.write_text(twice.read_text().replace('"slot": 1', '"slot": 1, "slot": 2', 3))
    write_damaged_half_way(folder / "c")
    ingested = taken(sorted(folder.iterdir()))
    assert (ingested.total, ingested.copies, ingested.unusable_files) == (61, 0, 1)
    assert kept(ingested) == sorted(f"i{i}" for i in [*range(3), *range(4, 50), *range(62, 70)])
    rejects = ingested.rejects.filter(pc.is_valid(ingested.rejects["row_number"]))
    assert sorted((row["file"], row["row_number"], row["clause"]) for row in rejects.to_pylist()) == [
        ("a.csv", 4, "a quoted field ends in its line"),
        *(("b.jsonl", number, "a key stands once in an object") for number in (1, 2, 3)),
    ]
