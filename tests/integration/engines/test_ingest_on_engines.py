"""Landing files through each engine: the same rows, and a key that no plan and no file shows."""

import json
import shutil
from datetime import timedelta
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.kernels.landed import (
    CONFORMER,
    KEY,
    NOON,
    PSEUDONYMISE,
    good,
    write_csv,
    write_damaged_half_way,
    write_jsonl,
    write_parquet,
)

from nightslate.pipeline.log_intake import Completion, accepted_at_once, take_in

from .taking_in import ALONE, BY_ID, CHANGES, WITH_SLATES, aged, ages, kept, night, rows_of

pytestmark = pytest.mark.e2e


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
