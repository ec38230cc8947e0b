"""Landing files through an engine: duplicates, damaged files, and a key that no plan and no file shows."""

import json
import shutil
from datetime import timedelta
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from tests.integration.pipeline import world
from tests.unit.kernels.landed import (
    CONFORMER,
    DS,
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

from nightslate.contracts import arrow, load
from nightslate.engines import Input, LocalEngine
from nightslate.kernels.buckets import buckets_of
from nightslate.kernels.ingest import OfBucket
from nightslate.kernels.log_completion import CompletedImpressions
from nightslate.kernels.shown_for import ShownFor
from nightslate.kernels.slate_propensities import SLATE_COLUMNS
from nightslate.pipeline.log_intake import Completion, accepted_at_once, take_in
from nightslate.pipeline.night import Night
from nightslate.programs import load as load_program

from .stored import stored

ALONE = LocalEngine(processes=1)
WITH_SLATES = PARQUET.append(pa.field("slate_id", pa.string()))
NO_SLATES = Input([], arrow.schema(load("slates")), partition="slate_date").columns(SLATE_COLUMNS)
BY_ID = [("impression_id", "ascending")]


def night(home, engine=ALONE, buckets=7):
    """Of a program whose impressions have an age."""
    spec = yaml.safe_load(world.SPEC)
    spec |= {"buckets": buckets, "start_date": DS}
    spec["logs"] |= {"context": [{"name": "age", "type": "number"}]}
    home.mkdir(parents=True, exist_ok=True)
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    return Night(load_program(path), DS, home, engine)


@pytest.fixture
def taken(tmp_path):
    """Takes in some files by itself, each time into a warehouse of its own."""

    def take(files, completion=None, engine=ALONE, buckets=7):
        home = tmp_path / f"home-{len(list(tmp_path.iterdir()))}"
        mine = night(home, engine, buckets)
        found = take_in(mine, mine.table("impressions"), files, CONFORMER, completion)
        scratch = mine.warehouse.scratch(mine.name)
        assert [path for path in scratch.rglob("*") if path.is_file()] == []
        mine.table("impressions").verify(found.staged)
        for file in found.staged.data_files:
            assert set(buckets_of(pq.read_table(file.path), buckets)) == {file.bucket}
        return found

    return take


def rows_of(ingested):
    """The accepted rows, as whoever comes next reads them."""
    return Input(ingested.staged.data_files, arrow.schema(CONFORMER.contract)).read(None).sort_by(BY_ID)


def kept(ingested):
    return rows_of(ingested)["impression_id"].to_pylist()


def why(ingested):
    return sorted((row["reason"], row["file"]) for row in ingested.rejects.to_pylist())


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


CHANGES = [
    {"arm_id": "b"},
    {"age": None},
    {"occurred_at": NOON + timedelta(microseconds=1)},
    {"propensity": 0.5000000000000001},
    {"user_id": "somebody else"},
]


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


def aged(rows, read):
    """Completes by what lies beside: whoever is there is as old as it says, and some rows are rejected."""
    beside = read()
    place = pc.index_in(rows["user_id"], beside["user_id"].combine_chunks())
    known = beside["age"].combine_chunks().take(place.combine_chunks())
    named = pc.fill_null(pc.equal(rows["slate_id"], "unknown"), False)
    for name, values in {
        "age": pc.coalesce(rows["age"], known),
        "_reason": pc.if_else(named, "unknown_slate", pa.scalar(None, pa.string())),
        "_clause": pc.if_else(named, "a clause", pa.scalar(None, pa.string())),
    }.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), values)
    return rows


def ages(folder, buckets, numbers=range(100)):
    """Users whose ages are known, in their buckets."""
    users = PSEUDONYMISE(pa.array([good(number)["user_id"] for number in numbers]))
    rows = pa.table({"user_id": users, "age": pa.array([90.0 + number for number in numbers])})
    return stored(folder, rows, buckets, DS)


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


def files_of_all_kinds(folder):
    """Copies, conflicts within and between users, rejects of every pass, and files that can't be read."""
    folder.mkdir()
    many = [good(i, user_id=f"raw-user-{i % 23}", age=None if i % 5 else 30.0) for i in range(300)]
    changed = [good(i, **change, slate_id=None) for i, change in enumerate(CHANGES)]
    write_parquet(
        folder / "a",
        [{**row, "slate_id": "unknown" if i % 50 == 7 else None} for i, row in enumerate(many)],
        WITH_SLATES,
    )
    write_csv(folder / "b", many[100:200:3])
    write_jsonl(folder / "c", [*changed, good(500, slot=0), good(501, age="old")])
    write_damaged_half_way(folder / "d")
    return sorted(folder.iterdir())


def test_each_engine_takes_in_the_same_to_the_last_bit(taken, tmp_path, engine):
    files, beside = files_of_all_kinds(tmp_path / "landed"), ages(tmp_path / "ages", 7)
    here, alone = (taken(files, Completion(aged, beside), runs) for runs in (engine, ALONE))
    for found in (here, alone):
        assert (found.total, found.unusable_files) == (300 + 34 + 7, 1)
        assert found.staged.rows + found.copies + found.rejects.num_rows - 1 == found.total
        assert set(found.rejects["reason"].to_pylist()) == {
            "conflicting_duplicate",
            "out_of_range",
            "unknown_slate",
            "unreadable_file",
            "wrong_type",
        }
    assert (here.total, here.copies) == (alone.total, alone.copies)
    assert here.copies > 20
    contents = [[(f.bucket, f.path.read_bytes()) for f in found.staged.data_files] for found in (here, alone)]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 7
    assert here.rejects.equals(alone.rejects)


@pytest.mark.parametrize("buckets", [1, 2, 40])
def test_neither_buckets_nor_the_order_of_files_have_a_say(taken, tmp_path, buckets):
    files = files_of_all_kinds(tmp_path / "landed")
    expected, found = taken(files), taken(files[::-1], buckets=buckets)
    assert rows_of(found).to_pylist() == rows_of(expected).to_pylist()
    assert sorted(map(str, found.rejects.to_pylist())) == sorted(map(str, expected.rejects.to_pylist()))
    assert (found.total, found.copies) == (expected.total, expected.copies)


def test_rows_of_a_file_lie_by_user_then_by_time(taken, tmp_path):
    rows = [
        good(i, user_id=f"raw-user-{i % 3}", occurred_at=NOON - timedelta(seconds=i * 7 % 20))
        for i in range(40)
    ]
    ingested = taken(
        [write_parquet(tmp_path / "a", rows[:9]), write_csv(tmp_path / "b", rows[9:])], buckets=1
    )
    (file,) = ingested.staged.data_files
    lie = pq.read_table(file.path).select(["user_id", "occurred_at", "impression_id"]).to_pylist()
    assert [tuple(row.values()) for row in lie] == sorted(tuple(row.values()) for row in lie)


def test_a_small_log_is_accepted_at_once_as_it_is_taken_in(taken, tmp_path):
    files = files_of_all_kinds(tmp_path / "landed")
    at_once, taken_in = accepted_at_once(files, CONFORMER), rows_of(taken(files))
    assert at_once.sort_by(BY_ID).to_pylist() == taken_in.drop_columns(["ds"]).to_pylist()
    assert accepted_at_once([], CONFORMER).num_rows == 0


def test_a_reject_is_the_whole_row_to_the_microsecond_without_what_it_leaves_out(taken, tmp_path):
    late = NOON + timedelta(microseconds=1)
    rows = [good(1, age=None, occurred_at=late), good(1, age=None, occurred_at=late, arm_id="b")]
    ingested = taken([write_parquet(tmp_path / "a", rows)])
    first, second = (json.loads(row) for row in ingested.rejects["row"].to_pylist())
    (pseudonym,) = PSEUDONYMISE(pa.array([good(1)["user_id"]])).to_pylist()
    assert first == {
        "impression_id": "i1",
        "decision_id": "d1",
        "user_id": pseudonym,
        "occurred_at": "2026-11-16T12:00:00.000001+00:00",
        "slot": 1,
        "arm_id": "a",
        "propensity": 0.5,
    }
    assert second == {**first, "arm_id": "b"}


def test_the_key_is_in_no_repr_and_raw_ids_are_in_no_file(engine, tmp_path, monkeypatch, capfd):
    """Neither is in what tasks leave to one another, nor in what is staged, nor said."""
    left = []

    def look_and_remove(folder, **how):
        left.extend(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, **how)

    monkeypatch.setattr("nightslate.engines.engine.shutil", SimpleNamespace(rmtree=look_and_remove))
    rows = [good(1), good(1), good(2, slot=0), good(3), good(3, arm_id="b"), good(4, user_id="raw-user")]
    mine, file = night(tmp_path / "home", engine), write_csv(tmp_path / "a", [*rows, good(4)])
    ingested = take_in(mine, mine.table("impressions"), [file], CONFORMER)
    assert (kept(ingested), len(ingested.rejects)) == (["i1"], 5)
    assert len(left) > 1
    assert any(b"i3" in content for content in left)
    there = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    told = repr(CONFORMER) + str(PSEUDONYMISE) + repr(ingested) + repr(mine) + "".join(capfd.readouterr())
    for secret in (KEY.decode(), KEY.hex(), "raw-user"):
        assert secret not in told + str(ingested.rejects.to_pylist()) + str(rows_of(ingested).to_pylist())
        assert not any(secret.encode() in content for content in (*left, *there))


def test_the_key_is_in_no_plan(spark, tmp_path, monkeypatch, capsys):
    from nightslate.engines.spark import SparkEngine

    frames, kind = [], type(spark.range(1))
    map_in_arrow = kind.mapInArrow
    monkeypatch.setattr(
        kind, "mapInArrow", lambda frame, *how: frames.append(map_in_arrow(frame, *how)) or frames[-1]
    )
    file = write_csv(tmp_path / "a", [good(1), good(2, slot=0)])
    mine = night(tmp_path / "home", SparkEngine(spark))
    ingested = take_in(mine, mine.table("impressions"), [file], CONFORMER)
    assert kept(ingested) == ["i1"]
    assert len(frames) == 3
    shown = ""
    for frame in frames:
        frame.explain(extended=True)
        shown += frame._jdf.queryExecution().toString() + capsys.readouterr().out
    assert "MapInArrow" in shown
    for secret in (KEY.decode(), KEY.hex(), "raw-user"):
        assert secret not in shown
