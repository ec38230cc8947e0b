"""Landing files through Spark: duplicates, damaged files, and a key that no plan shows."""

import json
from datetime import timedelta

import pyarrow as pa
from pyspark.sql import functions as F
from tests.unit.frames.landed import (
    CONFORMER,
    KEY,
    NOON,
    PARQUET,
    PSEUDONYMISE,
    good,
    write_csv,
    write_damaged_half_way,
    write_jsonl,
    write_parquet,
)

from nightslate.contracts import load
from nightslate.frames.ingest import Completion, ingest


def kept(ingested):
    return sorted(row["impression_id"] for row in ingested.rows.select("impression_id").collect())


def why(ingested):
    return sorted((row["reason"], row["file"]) for row in ingested.rejects.select("reason", "file").collect())


def test_no_files_are_no_rows(spark):
    ingested = ingest(spark, [], CONFORMER)
    assert (kept(ingested), why(ingested)) == ([], [])
    assert (ingested.total, ingested.duplicates, ingested.unusable_files) == (0, 0, 0)
    assert ingested.rows.columns == [column.name for column in CONFORMER.contract.landing_columns]


def test_exact_copies_count_once_in_a_file_and_across_formats(spark, tmp_path):
    files = [
        write_parquet(tmp_path / "a", [good(1), good(1), good(2)]),
        write_csv(tmp_path / "b", [good(2), good(3, age=None)]),
        write_jsonl(tmp_path / "c", [good(2), good(3, age=None)]),
    ]
    ingested = ingest(spark, files, CONFORMER)
    assert kept(ingested) == ["i1", "i2", "i3"]
    assert why(ingested) == []
    assert (ingested.total, ingested.duplicates) == (7, 4)


def test_rows_that_share_an_id_but_differ_are_all_rejected(spark, tmp_path):
    """The smallest difference counts, and a third row like the first does not outvote the second."""
    changes = [
        {"arm_id": "b"},
        {"age": None},
        {"occurred_at": NOON + timedelta(microseconds=1)},
        {"propensity": 0.5000000000000001},
        {"user_id": "somebody else"},
    ]
    once = [good(i) for i in range(len(changes))]
    differently = [good(i, **change) for i, change in enumerate(changes)]
    files = [
        write_parquet(tmp_path / "a", [*once, good(8)]),
        write_jsonl(tmp_path / "b", [*differently, *once, good(9)]),
    ]
    ingested = ingest(spark, files, CONFORMER)
    assert kept(ingested) == ["i8", "i9"]
    assert (ingested.total, ingested.duplicates) == (17, 0)
    rejects = ingested.rejects.collect()
    assert len(rejects) == 15
    assert {row["reason"] for row in rejects} == {"conflicting_duplicate"}
    assert {row["clause"] for row in rejects} == {"rows with the same impression_id are equal"}
    assert {row["log"] for row in rejects} == {"impressions"}
    assert len({row["row"] for row in rejects}) == 10
    assert "raw-user" not in str(rejects)


def test_a_damaged_file_costs_its_own_rows_also_those_before_the_damage(spark, tmp_path):
    bad = write_damaged_half_way(tmp_path / "bad")
    sound = write_parquet(tmp_path / "sound", [good(7), good(8, slot=2), good(9, slot=0)])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(sound.read_bytes()[:-20])
    gone = tmp_path / "gone.parquet"
    gone.symlink_to(tmp_path / "nowhere")
    ingested = ingest(spark, [bad, cut, gone, sound], CONFORMER)
    assert kept(ingested) == ["i7", "i8"]
    assert why(ingested) == [
        ("out_of_range", "sound.parquet"),
        ("unreadable_file", "bad.parquet"),
        ("unreadable_file", "cut.parquet"),
        ("unreadable_file", "gone.parquet"),
    ]
    assert (ingested.total, ingested.unusable_files) == (3, 3)


def test_a_rejected_row_costs_itself_and_is_no_rival_of_a_sound_one(spark, tmp_path):
    path = write_jsonl(tmp_path / "a", [good(1), good(1, propensity=0.0)])
    path.write_text(path.read_text() + '"raw-user"\n')
    ingested = ingest(spark, [path], CONFORMER)
    assert kept(ingested) == ["i1"]
    assert (ingested.total, ingested.unusable_files) == (3, 0)
    contract = load("quarantine")
    assert ingested.rejects.columns == [column.name for column in contract.file_columns]
    refused, unread = sorted(ingested.rejects.collect(), key=lambda row: row["reason"])
    assert (refused["reason"], unread["reason"]) == ("out_of_range", "unreadable_row")
    assert json.loads(refused["row"])["impression_id"] == "i1"
    assert unread["row"] is None
    assert len(unread["row_digest"]) == 64


def test_records_that_landed_are_rows_or_copies_or_rejects(spark, tmp_path):
    """Also where a quote never closes, a key stands twice, and a file cannot be read."""
    quote = write_csv(tmp_path / "a", [good(i, decision_id='"' if i == 3 else f"d{i}") for i in range(50)])
    quote.write_text(quote.read_text().replace('""""', '"'))
    twice = write_jsonl(tmp_path / "b", [good(1), *(good(i) for i in range(60, 70))])
    twice.write_text(twice.read_text().replace('"slot": 1', '"slot": 1, "slot": 2', 3))
    write_damaged_half_way(tmp_path / "c")
    ingested = ingest(spark, sorted(tmp_path.iterdir()), CONFORMER)
    assert (ingested.total, ingested.duplicates, ingested.unusable_files) == (61, 0, 1)
    assert kept(ingested) == sorted(f"i{i}" for i in [*range(3), *range(4, 50), *range(62, 70)])
    rejects = ingested.rejects.select("file", "row_number", "clause").where("row_number is not null")
    assert sorted(map(tuple, rejects.collect())) == [
        ("a.csv", 4, "a quoted field ends in its line"),
        *(("b.jsonl", number, "a key stands once in an object") for number in (1, 2, 3)),
    ]


def test_rows_are_completed_only_if_a_sound_one_gives_the_column_to_go_by(spark, tmp_path):
    schema = PARQUET.append(pa.field("slate_id", pa.string()))
    asked = []

    def complete(rows):
        asked.append(sorted(row["impression_id"] for row in rows.collect()))
        named = F.col("slate_id") == "unknown"
        return rows.withColumns(
            {
                "age": F.coalesce("age", F.lit(99.0)),
                "_reason": F.when(named, "unknown_slate"),
                "_clause": F.when(named, "a clause"),
            }
        )

    rows = [good(1, age=None), good(2), good(2), good(3, slot=0, slate_id="unknown")]
    file = write_parquet(tmp_path / "a", rows, schema)
    left_alone = ingest(spark, [file], CONFORMER, Completion("slate_id", complete))
    assert (asked, kept(left_alone)) == ([], ["i1", "i2"])

    file = write_parquet(tmp_path / "b", [*rows, good(4, slate_id="unknown")], schema)
    completed = ingest(spark, [file], CONFORMER, Completion("slate_id", complete))
    assert (asked, kept(completed)) == ([["i1", "i2", "i4"]], ["i1", "i2"])
    assert completed.rows.where("age = 99").count() == 1
    assert why(completed) == [("out_of_range", "b.parquet"), ("unknown_slate", "b.parquet")]
    ((row, clause),) = completed.rejects.where("reason = 'unknown_slate'").select("row", "clause").collect()
    assert (json.loads(row)["impression_id"], clause) == ("i4", "a clause")
    assert (completed.total, completed.duplicates) == (5, 1)


def test_the_key_is_in_no_plan_and_in_no_repr(spark, tmp_path, capsys):
    ingested = ingest(spark, [write_csv(tmp_path / "a", [good(1), good(2, slot=0)])], CONFORMER)
    shown = repr(CONFORMER) + str(PSEUDONYMISE)
    for frame in (ingested.rows, ingested.rejects):
        frame.explain(extended=True)
        shown += frame._jdf.queryExecution().toString() + capsys.readouterr().out
    assert "MapInArrow" in shown
    for secret in (KEY.decode(), KEY.hex(), "raw-user"):
        assert secret not in shown
